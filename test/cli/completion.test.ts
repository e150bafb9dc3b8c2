import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { completionScript } from '../../cli/completion.ts';
import { COMMANDS, optionsOf } from '../../cli/program.ts';

/** What bash offers after the words of a command line. */
function offered(...words: string[]): string[] {
  const script = `${completionScript('bash', COMMANDS)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _store; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

test('bash completes commands, options, choices and shells', () => {
  expect(offered('store', 'pu')).toEqual(['put']);
  expect(offered('store', 'put', '--all')).toEqual(['--allow-same-operator']);
  expect(offered('store', 'get', '--lane', '')).toEqual(['bulk', 'control']);
  expect(offered('store', 'completion', 'f')).toEqual(['fish']);
  expect(offered('store', '--json', 'sta')).toEqual(['stat', 'status', 'stake']);
});

test('bash completes files where a command takes one', () => {
  expect(offered('store', 'put', 'package.js')).toEqual(['package.json']);
  expect(offered('store', 'stat', 'package.js')).toEqual([]);
});

test.each(['bash', 'zsh', 'fish'] as const)('the %s script knows every command and every option', (shell) => {
  const script = completionScript(shell, COMMANDS);
  for (const spec of COMMANDS) {
    expect(script).toMatch(new RegExp(`\\b${spec.name}\\b`));
    for (const option of optionsOf(spec).filter(({ isHidden }) => isHidden !== true)) {
      const flag = /--([a-z-]+)/.exec(option.flags)![1]!;
      expect(script).toContain(shell === 'fish' ? `-l ${flag}` : `--${flag}`);
    }
  }
  expect(script).not.toContain('supervised');
});

test('the bash script is sound shell', () => {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: completionScript('bash', COMMANDS) });
  expect([status, stderr.toString()]).toEqual([0, '']);
});
