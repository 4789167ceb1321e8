# SPDX-License-Identifier: Apache-2.0
"""The parts of `./dev bench`, which ../run_bench.py puts together."""
