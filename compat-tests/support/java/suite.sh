# Sourced by the run.sh of the suites in Java, in their folder, with run.sh's arguments.
#
#   ./run.sh [fast] [--write-allow] [arguments of mvn]
#
# `fast` leaves out the tests tagged "slow". Sets: python, part (`--part` if less than all runs, `--short` with `fast` alone), write, maven (what
# goes to mvn). Exits where there is no JDK or no Maven; with CI=true that is a failure.
suite=$(basename "$PWD")
if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then
    echo "compat-tests/$suite: skipped, there is no JDK or no Maven on this machine (Debian: openjdk-17-jdk-headless maven)"
    [ "${CI:-}" != true ]
    exit
fi
python=${KWIRE_PYTHON:-}
[ -n "$python" ] || { python=$PWD/../../.venv/bin/python && [ -x "$python" ]; } || python=python3
export KWIRE_PYTHON=$python PYTHONPATH=$PWD/../support PYTHONDONTWRITEBYTECODE=1
maven=(mvn -q -B -Dstyle.color=never)
part= write=
while [ $# -gt 0 ]; do
    case $1 in
    fast) maven+=(-Dleft.out=slow) part=${part:---short} ;;
    --write-allow) write=--write-allow ;;
    *) maven+=("$1") part=--part ;;
    esac
    shift
done
check_tests() { # RELEASE=REPORTS...: what ran is what tests.allow says
    "$python" -m compat.junit_ids . "$@" $part $write
}
