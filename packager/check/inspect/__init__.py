"""`inspect`: what one file says, whatever kind it is, and what is wrong with it. One module per kind."""
