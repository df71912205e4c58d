"""Reading text files that strangers wrote: limits, schemas, errors on one line."""
