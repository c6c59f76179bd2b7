"""`python -m tokwatt`, and the command `tokwatt`."""

from tokwatt.commands.workflow import main

if __name__ == "__main__":
    main()
