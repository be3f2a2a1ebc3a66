"""A unittest class of tools: each is run straight, with every class allowed, and so with masked columns."""
import collections
import sys
import unittest

import ordinary
import tools


def of(group):
    """-> a TestCase with a method for each tool of the group"""

    class Tools(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.servers = ordinary.Servers()
            cls.servers.__enter__()
            cls.addClassCleanup(cls.servers.__exit__)
            cls.count = collections.Counter()
            cls.addClassCleanup(cls.report)

        @classmethod
        def report(cls):
            print('%(statements)d statements, %(denied)d refused, %(unparsed)d of them as not understood' % {**dict(statements=0, denied=0, unparsed=0), **cls.count}, file=sys.stderr)

        def check(self, tool):
            why = tool.missing()
            if why:
                self.skipTest(why)
            direct = tool.run(self.servers, 'direct')
            self.assertEqual(direct.code, 0, direct.out[-3000:])
            for which in ('allowed', 'masked'):
                with self.subTest(which):
                    guarded = tool.run(self.servers, which)
                    self.count.update(statements=guarded.statements, denied=guarded.denied, unparsed=guarded.unparsed)
                    print('   %-16s %-8s %5d statements' % (tool.name, which, guarded.statements), file=sys.stderr)
                    self.assertEqual(guarded.refusals, [])
                    self.assertGreater(guarded.statements, 2)
                    difference = ordinary.compare(direct, guarded, tool.hidden)
                    if difference:
                        self.fail('\n' + difference[:8000])

    for tool in tools.TOOLS:
        if tool.group == group:
            setattr(Tools, 'test_' + tool.name, lambda self, tool=tool: self.check(tool))
    return Tools
