"""GitHub Actions: what the changed models of a pull request change, as one comment; who computes can't write there."""

from typing import TYPE_CHECKING

from catchwater import __version__
from catchwater.infra.ci import github_steps as steps
from catchwater.infra.google import places
from catchwater.project.models import MACROS

if TYPE_CHECKING:
    from catchwater.infra.ci.workflows import Stage

# Numbers alone leave the job: no examples of rows, and errors (they may quote values) stay in its log.
_DIFF = """\
      - name: Diff
        id: diff
        run: |
          set -euo pipefail
          base="$(git rev-parse HEAD^1)"
          failed=0
          found="$RUNNER_TEMP/diff.md"
          : > "$found"
          while IFS= read -r -d '' path; do
            if [ "${path##*/}" = MACROS ]; then
              printf '`%s` is changed too: what that does to other models is not told here.\\n\\n' "$path" >> "$found"
            elif ! catchwater diff --env ENVIRONMENT --against "$base" --format markdown --examples 0 -- "$path" \\
              >> "$found"; then
              printf '`%s` could not be compared: the log of this job says why.\\n\\n' "$path" >> "$found"
              failed=1
            fi
          done < <(git diff --name-only -z "$base" HEAD -- 'models/*.sql')
          changed=yes
          if [ ! -s "$found" ]; then changed=no; echo 'No model is changed.' > "$found"; fi
          text="$RUNNER_TEMP/comment.md"
          { printf 'MARK\\n### catchwater diff: ENVIRONMENT\\n\\n'; head -c 60000 "$found"; } > "$text"
          comment="$(base64 --wrap=0 "$text")"
          printf 'changed=%s\\ncomment=%s\\n' "$changed" "$comment" >> "$GITHUB_OUTPUT"
          exit "$failed"
"""
_COMMENT = """\
      - name: Comment
        env:
          GH_TOKEN: ${{ github.token }}
          REPOSITORY: ${{ github.repository }}
          NUMBER: ${{ github.event.pull_request.number }}
          CHANGED: ${{ needs.diff-ENVIRONMENT.outputs.changed }}
          COMMENT: ${{ needs.diff-ENVIRONMENT.outputs.comment }}
        run: |
          set -euo pipefail
          printf '%s' "$COMMENT" | base64 --decode > "$RUNNER_TEMP/comment.md"
          issue="repos/$REPOSITORY/issues"
          own='.user.login == "github-actions[bot]" and (.body | startswith("MARK"))'
          ids="$(gh api --paginate "$issue/$NUMBER/comments" --jq ".[] | select($own) | .id")"
          id="${ids%%$'\\n'*}"
          if [ -n "$id" ]; then
            gh api --silent --method PATCH "$issue/comments/$id" --field body=@"$RUNNER_TEMP/comment.md"
          elif [ "$CHANGED" = yes ]; then
            gh api --silent --method POST "$issue/$NUMBER/comments" --field body=@"$RUNNER_TEMP/comment.md"
          fi
"""


def jobs(stage: "Stage") -> str:
    """One job that reads the environment's lake as who the repository's variable says, and one that writes what it
    found. Without that variable neither runs: no right to read data is given to CI unasked."""
    cloud = "google" if places.keeps_lake(stage.plan) else "aws"
    return _computed(stage, cloud) + _written(stage)


def variable(environment: str) -> str:
    """The variable of the repository that names who may read the lake."""
    return f"{environment}_DIFF_AS".upper().replace("-", "_")


def _computed(stage: "Stage", cloud: str) -> str:
    environment = stage.environment
    zones = "".join(
        f"      CATCHWATER_{zone.upper()}: {places.zone_url(stage.plan, zone)}\n" for zone in ("ingestion", "processed")
    )
    who = f"${{{{ vars.{variable(environment)} }}}}"
    login = steps.aws(stage, "diff", who) if cloud == "aws" else steps.google(stage, who)
    return (
        f"  diff-{environment}:\n"
        f"    if: github.event_name == 'pull_request' && {steps.OWN} && vars.{variable(environment)} != ''\n"
        f"    name: diff {environment}\n    runs-on: ubuntu-24.04\n    timeout-minutes: 60\n"
        "    permissions:\n      contents: read\n      id-token: write # a role instead of a key\n"
        "    outputs:\n      changed: ${{ steps.diff.outputs.changed }}\n"
        "      comment: ${{ steps.diff.outputs.comment }}\n"
        f"    env:\n{zones}"
        f"    steps:\n      - uses: {steps.CHECKOUT}\n"
        "        with:\n          fetch-depth: 2 # and what it is merged into\n          persist-credentials: false\n"
        f"{steps.python(f'catchwater[{cloud}]=={__version__}')}{login}" + _filled(_DIFF, environment)
    )


def _written(stage: "Stage") -> str:
    environment = stage.environment
    return (
        f"  comment-{environment}:\n"
        f"    if: ${{{{ !cancelled() && needs.diff-{environment}.outputs.comment != '' }}}}\n"
        f"    needs: diff-{environment}\n    name: comment {environment}\n    runs-on: ubuntu-24.04\n"
        "    timeout-minutes: 10\n    permissions:\n      pull-requests: write # the diff is a comment\n    steps:\n"
        + _filled(_COMMENT, environment)
    )


def _filled(text: str, environment: str) -> str:
    return (
        text.replace("MACROS", MACROS)
        .replace("MARK", "<!-- catchwater diff ENVIRONMENT -->")
        .replace("ENVIRONMENT", environment)
    )
