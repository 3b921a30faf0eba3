# For hands that type make: each target is the command of ./dev with the same name.
.PHONY: setup build up down test bench lint format clean help
.DEFAULT_GOAL := help
setup build up down test bench lint format clean help:
	@./dev $@
