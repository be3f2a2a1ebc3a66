#!/usr/bin/env python3
"""ci-templates/ as their platforms would run them: linted, then executed against the stand-in issuer, serve and a real PostgreSQL.

What a runner does is done here as its documentation says: GitHub evaluates ${{ inputs.… }}, gives a composite step's script to
`bash --noprofile --norc -eo pipefail FILE` and reads outputs from a file; GitLab replaces $[[ inputs.… ]] in the parsed template and
gives the script's lines to `sh` under errexit, and pipefail where there is one."""
import html
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import AUDIENCE, Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import PROGRAM, SOURCE, Postgres, main, plain_environment, skip  # noqa: E402

try:
    import yaml
except ImportError:
    skip('python3-yaml is not installed')

TEMPLATES = SOURCE / 'ci-templates'


class Strict(yaml.SafeLoader):
    """Refuses duplicate keys, and keeps `on` what it is."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    doubled = {key for key in keys if keys.count(key) > 1}
    if doubled:
        raise AssertionError('doubled keys: %s' % doubled)
    return {key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value)}


Strict.add_constructor('tag:yaml.org,2002:map', mapping)
Strict.yaml_implicit_resolvers = {first: [(tag, rx) for tag, rx in resolvers if tag != 'tag:yaml.org,2002:bool'] for first, resolvers in Strict.yaml_implicit_resolvers.items()}


def load(path):
    with open(TEMPLATES / path) as file:
        return [document for document in yaml.load_all(file, Strict)]


def shellcheck(script, shell):
    if not shutil.which('shellcheck'):
        return
    run = subprocess.run(['shellcheck', '-s', shell, '-'], input=script, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


# ---- GitHub ---------------------------------------------------------------------------------------------------------------

class Action:
    """A composite action with one step."""

    def __init__(self):
        self.definition = load('github/action.yml')[0]
        (self.step,) = self.definition['runs']['steps']

    def evaluate(self, text, inputs):
        return re.sub(r'\$\{\{ inputs\.([a-z-]+) \}\}', lambda m: inputs[m.group(1)], text)

    def start(self, given, environment, folder):
        unknown = set(given) - set(self.definition['inputs'])
        assert not unknown, 'inputs that the action does not have: %s' % unknown
        inputs = {}
        for name, about in self.definition['inputs'].items():
            assert name in given or about.get('required') != 'true', name + ' is required'
            inputs[name] = given.get(name, about.get('default', ''))
        env = dict(environment)
        env.update({name: self.evaluate(value, inputs) for name, value in self.step['env'].items()})
        script = os.path.join(folder, 'script.sh')
        with open(script, 'w') as file:
            file.write(self.step['run'])
        return subprocess.Popen(['bash', '--noprofile', '--norc', '-eo', 'pipefail', script], cwd=os.path.join(folder, self.evaluate(self.step['working-directory'], inputs)),
                                env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


# ---- GitLab ---------------------------------------------------------------------------------------------------------------

class Component:
    def __init__(self):
        self.header, self.body = load('gitlab/templates/dbguard.yml')

    def jobs(self, given):
        spec = self.header['spec']['inputs']
        unknown = set(given) - set(spec)
        assert not unknown, 'inputs that the component does not have: %s' % unknown
        inputs = {}
        for name, about in spec.items():
            assert name in given or 'default' in about, name + ' is required'
            inputs[name] = given.get(name, about.get('default'))
            assert 'options' not in about or inputs[name] in about['options']

        def replace(value):
            if isinstance(value, str):
                return re.sub(r'\$\[\[ inputs\.([a-z-]+) \]\]', lambda m: inputs[m.group(1)], value)
            if isinstance(value, list):
                return [replace(item) for item in value]
            if isinstance(value, dict):
                return {replace(key): replace(item) for key, item in value.items()}
            return value
        return replace(self.body)

    def start(self, job, environment, folder):
        env = dict(environment)
        for name, value in job['variables'].items():
            if isinstance(value, dict):
                assert value['expand'] == 'false'
                env[name] = value['value']
            else:  # GitLab expands variables in the others
                env[name] = re.sub(r'\$(\w+)', lambda m: env.get(m.group(1), ''), value)
        script = 'if set -o | grep -q pipefail; then set -o pipefail; fi; set -o errexit\n' + '\n'.join(job['script']) + '\n'
        return subprocess.Popen(['sh', '-c', script], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


class Lint(unittest.TestCase):
    def test_the_action_pastes_nothing_into_its_script(self):
        action = Action()
        self.assertNotIn('${{', action.step['run'])
        self.assertEqual(action.step['shell'], 'bash')
        shellcheck('#!/bin/bash\n' + action.step['run'], 'bash')
        used = set(re.findall(r'inputs\.([a-z-]+)', str(action.step)))
        self.assertEqual(used, set(action.definition['inputs']), 'each input is used, and only inputs that exist')
        for name, about in action.definition['inputs'].items():
            self.assertTrue(about['description'], name)
            self.assertTrue(about.get('required') == 'true' or 'default' in about, name)
        for name, about in action.definition['outputs'].items():
            self.assertEqual(about['value'], '${{ steps.%s.outputs.%s }}' % (action.step['id'], name))

    def test_the_example_workflow_asks_for_what_is_needed_and_for_nothing_else(self):
        workflow = load('github/example-workflow.yml')[0]
        self.assertEqual(set(workflow), {'name', 'on', 'permissions', 'concurrency', 'jobs'})
        self.assertEqual(workflow['permissions'], {'contents': 'read', 'id-token': 'write'})
        self.assertNotIn('pull_request_target', workflow['on'])
        text = (TEMPLATES / 'github/example-workflow.yml').read_text()
        self.assertNotIn('secrets.', text)
        for job in workflow['jobs'].values():
            self.assertIn('timeout-minutes', job)
            for step in job['steps']:
                self.assertNotIn('${{', step.get('run', ''))

    def test_the_component_pastes_nothing_into_its_script(self):
        component = Component()
        (job,) = component.body.values()
        self.assertNotIn('$[[', ''.join(job['script']))
        shellcheck('#!/bin/sh\n' + '\n'.join(job['script']), 'sh')
        used = set(re.findall(r'inputs\.([a-z-]+)', str(component.body)))
        self.assertEqual(used, set(component.header['spec']['inputs']))
        self.assertEqual(list(job['id_tokens']), ['DBGUARD_ID_TOKEN'])
        for name, about in component.header['spec']['inputs'].items():
            self.assertTrue(about['description'], name)


class Base(unittest.TestCase):
    kind = 'github'

    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())
        cls.service = cls.enterClassContext(Service(cls.postgres, cls.issuer, kind=cls.kind))
        cls.path = '%s:%s' % (os.path.dirname(PROGRAM), os.environ['PATH'])

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='dbguard-ci-')
        self.addCleanup(shutil.rmtree, self.folder)

    def tearDown(self):
        self.assertEqual(self.service.roles_in_server(), [], 'a session was left behind')


class GitHub(Base):
    def environment(self):
        for name in ('output', 'summary'):
            pathlib.Path(self.folder, name).touch()
        return plain_environment(**self.issuer.github_environment(), PATH=self.path, CI='true', GITHUB_OUTPUT=self.folder + '/output', GITHUB_STEP_SUMMARY=self.folder + '/summary',
                                 RUNNER_TEMP=self.folder)

    def given(self, **more):
        return {'server': self.service.url, 'server-ca': self.service.ca, 'audience': AUDIENCE, 'db': 'shop', **more}

    def act(self, **more):
        process = Action().start(self.given(**more), self.environment(), self.folder)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def outputs(self):
        text = pathlib.Path(self.folder, 'output').read_text()
        found = dict(re.findall(r'^(\w+)=(.*)$', text, re.M))
        found.update({name: value for name, _, value in re.findall(r'^(\w+)<<(\S+)\n(.*?)\n\2$', text, re.M | re.S)})
        return found

    def test_the_steps_of_the_example_workflow(self):
        workflow = load('github/example-workflow.yml')[0]
        steps = [step for job in workflow['jobs'].values() for step in job['steps'] if step.get('uses', '').endswith('/dbguard')]
        self.assertEqual(len(steps), 2)
        for step in steps:
            given = dict(step['with'])
            self.assertTrue(given['server'].startswith('https://'))
            code, out, err = self.act(**{**given, **self.given(db=given['db'])})
            self.assertEqual(code, 0, err + out)
            self.assertEqual(self.outputs()['verdict'], 'allowed')
            self.assertRegex(self.outputs()['session'], '^s_')
            if given['role'] == 'tester':
                self.assertIn('a***@e***.com', out)
                self.assertNotIn('ada@', out)
        self.assertEqual(self.postgres.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", 'shop'), 'app_ddl')
        self.assertIn(self.outputs()['session'], html.unescape(pathlib.Path(self.folder, 'summary').read_text()))

    def test_a_refusal_fails_the_step_and_annotates_it(self):
        code, out, err = self.act(role='migrator', run='psql -c "DROP TABLE customers" || true')
        self.assertEqual(code, 122)
        self.assertIn('::', out + err)
        self.assertEqual(self.outputs()['verdict'], 'denied')
        self.assertEqual(self.postgres.sql('SELECT count(*) FROM customers', 'shop'), '2')
        code, out, err = self.act(role='migrator', run='psql -c "DROP TABLE customers" || true', **{'fail-on': 'none'})
        self.assertEqual(code, 0, err)

    def test_commands_end_at_their_first_failure_as_in_a_step(self):
        code, out, _ = self.act(role='tester', run='false | true\necho not reached')
        self.assertEqual(code, 1)
        self.assertNotIn('not reached', out)

    def test_hostile_inputs_are_only_values(self):
        marker = os.path.join(self.folder, 'pwned')
        code, _, _ = self.act(role="tester'; touch %s; '" % marker, run='true')
        self.assertEqual(code, 125)
        code, _, _ = self.act(role='tester', run='true', timeout='$(touch %s)' % marker)
        self.assertNotEqual(code, 0)
        self.assertFalse(os.path.exists(marker))

    def test_a_missing_program_says_so(self):
        code, out, err = self.act(role='tester', run='true', program='dbguard-that-is-not-there')
        self.assertEqual(code, 127)
        self.assertIn('::error title=dbguard::there is no program', out)

    def test_a_cancelled_step_leaves_nothing(self):
        process = Action().start(self.given(role='tester', run='echo ready >&2; sleep 60'), self.environment(), self.folder)
        for line in process.stderr:
            if line == 'ready\n':
                break
        self.assertEqual(len(self.service.roles_in_server()), 1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)  # GitHub's first signal, 7.5 s before the second
        process.communicate(timeout=20)
        self.assertLess(time.monotonic() - began, 7.5)

    def test_a_run_without_permission_is_told_what_to_add(self):
        env = self.environment()
        del env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'], env['ACTIONS_ID_TOKEN_REQUEST_URL']
        process = Action().start(self.given(role='tester', run='true'), dict(env, GITHUB_EVENT_NAME='push'), self.folder)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 125)
        self.assertIn('id-token: write', out + err)


class GitLab(Base):
    kind = 'gitlab'

    def environment(self, job):
        aud = job['id_tokens']['DBGUARD_ID_TOKEN']['aud']
        return plain_environment(PATH=self.path, CI='true', GITLAB_CI='true', CI_JOB_ID='302', DBGUARD_ID_TOKEN=self.issuer.mint('gitlab', aud=aud, job_id=os.urandom(4).hex()), SSL_CERT_FILE=self.issuer.ca)

    def act(self, **given):
        given = {'image': 'x', 'server': self.service.url, 'server-ca': self.service.ca, 'audience': AUDIENCE, 'db': 'shop', **given}
        component = Component()
        (job,) = component.jobs(given).values()
        process = component.start(job, self.environment(job), self.folder)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def test_the_jobs_of_the_example_pipeline(self):
        pipeline = load('gitlab/example.gitlab-ci.yml')[0]
        names = []
        for include in pipeline['include']:
            given = dict(include['inputs'])
            names += Component().jobs(given)
            self.assertIn(given.get('stage', 'test'), pipeline['stages'])
            given.update({'server': self.service.url, 'server-ca': self.service.ca, 'audience': AUDIENCE})
            code, out, err = self.act(**given)
            self.assertEqual(code, 0, err + out)
            if given['role'] == 'tester':
                self.assertIn('a***@e***.com', out)
        self.assertEqual(names, ['feature-checks', 'migration'])
        self.assertIn('migration', pipeline, 'the rules at the end are for a job that exists')
        self.assertEqual(self.postgres.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", 'shop'), 'app_ddl')

    def test_a_refusal_fails_the_job(self):
        code, _, err = self.act(role='migrator', run='psql -c "DROP TABLE customers" || true')
        self.assertEqual(code, 122, err)
        self.assertIn('Open a change request.', err)

    def test_what_looks_like_a_variable_in_the_commands_is_the_shells(self):
        code, out, err = self.act(role='tester', run='word=$PGDATABASE; echo "is $word"; echo \'$HOME\'')
        self.assertEqual(code, 0, err)
        self.assertIn('is shop', out)
        self.assertIn('$HOME', out)

    def test_hostile_inputs_are_only_values(self):
        marker = os.path.join(self.folder, 'pwned')
        code, _, _ = self.act(role="tester'; touch %s; '" % marker, run='true')
        self.assertEqual(code, 125)
        self.assertFalse(os.path.exists(marker))

    def test_the_token_does_not_reach_the_commands(self):
        code, out, err = self.act(role='tester', run='env')
        self.assertEqual(code, 0, err)
        self.assertNotIn('eyJ', out)


if __name__ == '__main__':
    main()
