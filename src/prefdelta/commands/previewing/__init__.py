"""What `prefdelta preview` renders, asks and reckons."""
