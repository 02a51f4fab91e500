"""Published numbers, deposited data and claims of the study."""
