#!/usr/bin/env bash
# The image runs this once, while its volume is empty: create a database and a user each for MLflow and the agent.
set -euo pipefail

make_database() {
  psql --username=postgres --set=ON_ERROR_STOP=1 --set=name="$1" --set=password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database mlflow "$MLFLOW_DB_PASSWORD"
make_database agent "$AGENT_DB_PASSWORD"
