"""The demo models: trained here, exported for every runtime, written as a model repository.

It runs as a process of its own (`python -m server.demo DIR`) because it imports the frameworks;
the gateway never imports it, and it imports nothing else of `server`.
"""
