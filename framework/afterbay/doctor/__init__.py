"""`afterbay doctor`: what a pipeline depends on, looked at one thing at a time, with what to do where it is wrong.

`checkup` asks the questions, each within a deadline; `finding` is an answer. Nothing is changed but a store's harmless
probe, and no run is disturbed.
"""
