"""Records files with one fault each, for a folder that holds a.txt and b.txt."""

MADE = {
    "records-absolute-path.jsonl": b'{"id":"1","path":"/etc/passwd"}\n',
    "records-climbing-path.csv": b"id,path\n1,../../etc/passwd\n",
    "records-cut-short.jsonl": b'{"id":"1","path":"a.txt"}\n{"id":"2","pa',
    "records-id-doubled.csv": b"id,path\n1,a.txt\n1,b.txt\n",
    "records-not-a-database.sqlite": b"SQLite format 3\0" + bytes(range(256)) * 8,
    "records-not-parquet.parquet": b"PAR1" + bytes(64) + b"PAR1",
    "records-not-utf8.csv": b"id,path\n\xff\xfe,a.txt\n",
    "records-number-of-500-digits.jsonl": b'{"id":"1","path":"a.txt","year":' + b"9" * 500 + b"}\n",
    "records-path-doubled.csv": b"id,path\n1,a.txt\n2,a.txt\n",
    "records-quote-never-closed.csv": b'id,path\n1,"a.txt\n' + (b"2,b.txt\n" * 100),
    "records-values-too-many.csv": b"id,path\n1,a.txt,,,,\n",
    "records-sha256-is-none.jsonl": b'{"id":"1","path":"a.txt","sha256":"zz"}\n',
}
