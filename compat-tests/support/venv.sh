# Sourced by each suite's run.sh: make the client's own virtual environment once, and run pytest in it.
#
#   run_suite FOLDER [pytest args]
#
# The environment lies under ${KWIRE_CACHE:-~/.cache/kwire}/venvs, named after the folder and the digest of its
# requirements.txt and interpreter, so that a changed pin makes a new one.  COMPAT_PYTHON chooses the interpreter.
run_suite() {
    local folder name python digest cache venv support
    folder=$1
    shift
    name=$(basename "$folder")
    support=$(cd "$folder/../support" && pwd)
    python=${COMPAT_PYTHON:-python3}
    digest=$({ cat "$folder/requirements.txt"; "$python" -c 'import sys; print(sys.version, sys.prefix)'; } | sha256sum | cut -c1-12)
    cache=${KWIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kwire}/venvs
    venv=$cache/$name-$digest
    mkdir -p "$cache"
    (
        flock 9
        if [ ! -e "$venv/.complete" ]; then
            rm -rf "$venv"
            "$python" -m venv "$venv"
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/requirements.txt"
            touch "$venv/.complete"
        fi
    ) 9>"$venv.lock"
    cd "$folder" || return
    export PYTHONPATH=$support PYTHONDONTWRITEBYTECODE=1
    exec "$venv/bin/python" -m pytest -c "$folder/pytest.ini" --rootdir "$folder" "$@"
}
