# Sourced by each suite's run.sh: make the client's own virtual environment once, and run pytest in it.
#
#   run_suite FOLDER [pytest args]        a test that fails is run once more (scripts/steady), but where results are kept
#   client_python FOLDER                  prints the interpreter of that environment
#
# The environment lies under ${KWIRE_CACHE:-~/.cache/kwire}/venvs, named after the folder and the digest of its
# requirements.txt and interpreter, so that a changed pin makes a new one.  COMPAT_PYTHON chooses the interpreter.
client_python() {
    local folder name python digest cache venv
    folder=$1
    name=$(basename "$folder")
    python=${COMPAT_PYTHON:-python3}
    digest=$({ cat "$folder/requirements.txt"; "$python" -c 'import sys; print(sys.version, sys.prefix)'; } | sha256sum | cut -c1-12)
    cache=${KWIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kwire}/venvs
    venv=$cache/$name-$digest
    mkdir -p "$cache"
    (
        flock 9
        # No errexit here: this runs within $(...).
        [ -e "$venv/.complete" ] ||
            { rm -rf "$venv" &&
                "$python" -m venv "$venv" >&2 &&
                "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/requirements.txt" >&2 &&
                touch "$venv/.complete"; }
    ) 9>"$venv.lock" || return
    echo "$venv/bin/python"
}

run_suite() {
    local folder python
    folder=$1
    shift
    python=$(client_python "$folder") || return
    cd "$folder" || return
    PYTHONPATH=$(cd "$folder/../support" && pwd)
    export PYTHONPATH PYTHONDONTWRITEBYTECODE=1
    local tests=("$folder/../../scripts/steady")
    [ -z "${KWIRE_RESULTS:-}" ] || tests=(-m pytest)
    exec "$python" "${tests[@]}" -c "$folder/pytest.ini" --rootdir "$folder" "$@"
}
