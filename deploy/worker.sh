#!/bin/sh
# A worker in a container: what its image runs. Others reach it by the name that it listens on, so that is the container's own and not
# 0.0.0.0; settings that are given from outside stay.
name=$(hostname)
export MAESTRO_WORKER_NAME="${MAESTRO_WORKER_NAME:-$name}"
export MAESTRO_COLLECTIVE_LISTEN="${MAESTRO_COLLECTIVE_LISTEN:-$name:7071}"
exec node services/worker/dist/main.js
