#!/usr/bin/env bash
# dbguard whoami, driven as a user would: every source that needs no network, and each reason for having none.
set -uo pipefail
dbguard=${DBGUARD:?}
[ -x "$dbguard" ] || { echo "no program at $dbguard"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

b64url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
token() { printf '%s.%s.c2ln' "$(printf '{"alg":"RS256","kid":"k1"}' | b64url)" "$(printf '%s' "$1" | b64url)"; }
clean() { env -i PATH="$PATH" HOME="$folder" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$@"; }

# expect CODE TEXT... : the last run's exit code, and text that its output must hold (after `!`: must not).
expect() {
    local wanted=$1; shift
    [ "$code" = "$wanted" ] || { echo "FAIL line ${BASH_LINENO[0]}: exit $code, not $wanted: $out"; failed=1; }
    local text
    for text in "$@"; do
        case $text in
        '!'*) ! grep -qF -- "${text#!}" <<<"$out" || { echo "FAIL line ${BASH_LINENO[0]}: holds '${text#!}': $out"; failed=1; } ;;
        *) grep -qF -- "$text" <<<"$out" || { echo "FAIL line ${BASH_LINENO[0]}: lacks '$text': $out"; failed=1; } ;;
        esac
    done
}
run() { out=$("$@" 2>&1); code=$?; }

exp=$(($(date +%s) + 3000)) iat=$(($(date +%s) - 10))
gitlab=$(token '{"iss":"https://gitlab.acme.example","sub":"project_path:acme/shop","aud":"guard.example","iat":'$iat',"exp":'$exp',"project_id":"20","namespace_id":"72","job_project_id":"20","project_path":"acme/shop","job_id":"302","pipeline_source":"merge_request_event","ref":"feature\u001b[2J","ref_protected":"false","groups_direct":["a","b"]}')

run clean GITLAB_CI=true DBGUARD_ID_TOKEN="$gitlab" "$dbguard" whoami --server https://guard.example:8443
expect 0 "GitLab CI, variable DBGUARD_ID_TOKEN" "acme/shop job 302" "https://gitlab.acme.example" "not checked here" \
    'project_id: "20"' "pipeline_source merge_request_event is refused unless the policy names it" "not protected" \
    '!pipeline_source: "merge_request_event"' "!$gitlab" "!c2ln" $'!\e'

run clean GITLAB_CI=true DBGUARD_ID_TOKEN="$gitlab" "$dbguard" whoami --audience guard.example --json
expect 0 '"v":1' '"verified":false' '"source":"gitlab"' '"groups_direct":["a","b"]' '"policy_claims":{"namespace_id":"72"' "!$gitlab" "!c2ln"
[ "$(wc -l <<<"$out")" = 1 ] || { echo "FAIL: --json is not one line"; failed=1; }

run clean GITLAB_CI=true DBGUARD_ID_TOKEN="$gitlab" "$dbguard" whoami --audience other.example
expect 1 "made for \`guard.example\`, not for \`other.example\`" 'id_tokens: { DBGUARD_ID_TOKEN: { aud: "other.example" } }' "!$gitlab"

run clean GITLAB_CI=true CI_JOB_JWT_V2=x "$dbguard" whoami
expect 1 "DBGUARD_ID_TOKEN is not set" "id_tokens:" "CI_JOB_JWT is there"

printf '%s\n' "$gitlab" >"$folder/token"
run clean "$dbguard" whoami --token-file "$folder/token"
expect 0 "file $folder/token" "no audience was asked for"
run clean "$dbguard" whoami --token-command "cat '$folder/token'"
expect 0 "--token-command"
run clean "$dbguard" whoami --token-file "$folder/none"
expect 1 "$folder/none"
run clean MY_TOKEN="not.a.jwt" "$dbguard" whoami --token-env MY_TOKEN
expect 1 "MY_TOKEN holds no JWT" "!not.a.jwt"

run clean "$dbguard" whoami
expect 1 "neither a GitHub Actions nor a GitLab CI job"
run clean GITHUB_ACTIONS=true GITHUB_EVENT_NAME=push "$dbguard" whoami
expect 1 "id-token: write"
printf '{"pull_request":{"head":{"repo":{"full_name":"eve/shop"}},"base":{"repo":{"full_name":"acme/shop"}}}}' >"$folder/event"
run clean GITHUB_ACTIONS=true GITHUB_EVENT_NAME=pull_request GITHUB_EVENT_PATH="$folder/event" "$dbguard" whoami
expect 1 "from a fork"
run clean GITHUB_ACTIONS=true GITHUB_EVENT_NAME=pull_request GITHUB_ACTOR='dependabot[bot]' "$dbguard" whoami
expect 1 "Dependabot"
run clean GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL=http://run.example/ ACTIONS_ID_TOKEN_REQUEST_TOKEN=s "$dbguard" whoami
expect 64 "not an https URL"
run clean "$dbguard" whoami --token-source github --token-file x
expect 64 "does not go with"
run clean "$dbguard" whoami --token-source nowhere
expect 64 "nowhere"

# GitHub, from a token endpoint on this machine that checks what it is asked.
if command -v python3 >/dev/null; then
    cat >"$folder/issuer.py" <<'PY'
import http.server, sys, urllib.parse

class Issuer(http.server.BaseHTTPRequestHandler):
    tries = 0
    def do_GET(self):
        Issuer.tries += 1
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        good = query == {"api-version": ["2.0"], "audience": ["guard.example"]} and self.headers["Authorization"] == "Bearer s3cret"
        status, body = (200, b'{"count":1,"value":"%s"}' % sys.argv[1].encode()) if good else (401, b"{}")
        if Issuer.tries == 1: status, body = 403, b"can't issue ID_TOKEN for job in Pending/Delayed state"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

server = http.server.HTTPServer(("127.0.0.1", 0), Issuer)
print(server.server_port, flush=True)
server.serve_forever()
PY
    github=$(token '{"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme/shop:ref:refs/heads/main","aud":"guard.example","iat":'$iat',"exp":'$exp',"repository":"acme/shop","repository_id":"990017","repository_owner_id":"4821","run_id":"7781","run_attempt":"1","event_name":"push","ref":"refs/heads/main"}')
    python3 "$folder/issuer.py" "$github" >"$folder/port" &
    issuer=$!
    for _ in $(seq 100); do [ -s "$folder/port" ] && break; sleep 0.05; done
    url="http://127.0.0.1:$(cat "$folder/port")/token?api-version=2.0"
    run clean GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL="$url" ACTIONS_ID_TOKEN_REQUEST_TOKEN=s3cret \
        "$dbguard" whoami --server https://guard.example
    expect 0 "GitHub Actions" "acme/shop run 7781 (push refs/heads/main)" 'repository_id: "990017"' "!$github" "!s3cret"
    run clean GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL="$url" ACTIONS_ID_TOKEN_REQUEST_TOKEN=s3cret \
        "$dbguard" whoami --audience wrong.example
    expect 1 "try 1 of 4: 127.0.0.1" "answered 401" "!s3cret"
    kill "$issuer"
    wait "$issuer" 2>/dev/null
else
    echo "no python3: the GitHub endpoint was not tried"
fi

[ "$failed" = 0 ] && echo "whoami: all as expected"
exit "$failed"
