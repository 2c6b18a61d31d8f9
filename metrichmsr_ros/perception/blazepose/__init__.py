"""BlazePose (Apache-2.0) run by LiteRT: a person detector and 33 landmarks per person.

The networks come from the packages of mediapipe and are fetched on request by
``python -m metrichmsr_ros.perception.blazepose.assets``; nothing else of mediapipe is used.
"""
