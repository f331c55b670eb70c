"""How far judgings can be relied on: the judge's noise, the reliability of deltas and of sets selected by them."""
