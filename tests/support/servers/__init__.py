"""Servers and services that tests start as processes of their own."""
