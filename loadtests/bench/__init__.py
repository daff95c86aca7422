"""What serving costs: throughput, latency, CPU and memory beside bare protocol libraries.

`python -m loadtests.bench` measures and reports; docs/performance.md says how to read it.
"""
