import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type OptionSpec, parseCode, parseCount, parseDomain } from '../../cli/args.ts';
import { checkConfig, homeOf, readConfig, resolveFlags } from '../../cli/settings.ts';

const home = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
const path = join(home, 'config.yaml');
afterAll(() => rmSync(home, { recursive: true, force: true }));
beforeEach(() => rmSync(path, { force: true }));

const OPTIONS: readonly OptionSpec[] = [
  { flags: '--nodes <count>', help: '', parse: parseCount(1, 64), fallback: '7' },
  { flags: '--code <k/n>', help: '', parse: parseCode },
  { flags: '--wait', help: '' },
  { flags: '--no-wait', help: '' },
  { flags: '-q, --quiet', help: '' },
  { flags: '--domain <d>', help: '', parse: parseDomain, isList: true },
];

const resolve = (
  given: Parameters<typeof resolveFlags>[2],
  env: Parameters<typeof resolveFlags>[3],
  config: Parameters<typeof resolveFlags>[4],
): ReturnType<typeof resolveFlags> => resolveFlags('put', OPTIONS, given, env, config, home);

test('a flag wins over the environment, that over the file, that over the default', () => {
  const file = { nodes: 3 };
  const env = { HOLDFAST_NODES: '4' };
  expect(resolve({}, {}, {})['nodes']).toBe(7);
  expect(resolve({}, {}, file)['nodes']).toBe(3);
  expect(resolve({}, env, file)['nodes']).toBe(4);
  expect(resolve({ nodes: '5' }, env, file)['nodes']).toBe(5);
});

test('what the file says under the name of a command holds for that command', () => {
  const file = { code: '2/3', put: { code: '4/10' } };
  expect(resolve({}, {}, file)['code']).toEqual({ k: 4, n: 10 });
  expect(resolveFlags('get', OPTIONS, {}, {}, file, home)['code']).toEqual({ k: 2, n: 3 });
});

test('true and false have their words in the environment', () => {
  expect(resolve({}, { HOLDFAST_WAIT: 'false', HOLDFAST_QUIET: '1' }, {})).toMatchObject({
    wait: false,
    quiet: true,
  });
  expect(resolve({ wait: true }, { HOLDFAST_WAIT: 'off' }, {})['wait']).toBe(true);
  expect(resolve({}, {}, { wait: false })['wait']).toBe(false);
  expect(() => resolve({}, { HOLDFAST_QUIET: 'perhaps' }, {})).toThrow(
    'HOLDFAST_QUIET: "perhaps" is not true or false',
  );
});

test('a list is repeated flags, commas in the environment, a list in the file', () => {
  const both = [
    ['rack', 'r1'],
    ['site', 's2'],
  ];
  expect(resolve({ domain: ['rack=r1', 'site=s2'] }, {}, {})['domain']).toEqual(both);
  expect(resolve({}, { HOLDFAST_DOMAIN: 'rack=r1,site=s2' }, {})['domain']).toEqual(both);
  expect(resolve({}, {}, { domain: ['rack=r1', 'site=s2'] })['domain']).toEqual(both);
});

test('a wrong value names where it stands', () => {
  expect(() => resolve({ nodes: 'x' }, {}, {})).toThrow('--nodes: "x"');
  expect(() => resolve({}, { HOLDFAST_NODES: 'x' }, {})).toThrow('HOLDFAST_NODES: "x"');
  for (const wrong of ['x', { a: 1 }, ['7']]) {
    expect(() => resolve({}, {}, { nodes: wrong })).toThrow(
      `configuration file ${path} has a wrong value for`,
    );
  }
});

test('a file that is no configuration is refused by name', async () => {
  const texts = ['a: [', '- 1\n- 2', '"text"', 'a: &x 1\nb: *x', `k: ${'x'.repeat(70_000)}`];
  for (const text of texts) {
    writeFileSync(path, text);
    await expect(readConfig(home), text.slice(0, 20)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(path) as string,
    });
  }
});

test('no file and an empty file are no settings', async () => {
  expect(await readConfig(home)).toEqual({});
  writeFileSync(path, '# nothing yet\n');
  expect(await readConfig(home)).toEqual({});
});

test('a misspelt setting does not pass silently', () => {
  const known = new Map([
    ['put', new Set(['code', 'wait'])],
    ['get', new Set(['force'])],
  ]);
  expect(() => checkConfig({ code: '1/2', put: { wait: true } }, home, known)).not.toThrow();
  expect(() => checkConfig({ kode: '1/2' }, home, known)).toThrow('unknown setting "kode"');
  expect(() => checkConfig({ put: { force: true } }, home, known)).toThrow('unknown setting "put.force"');
});

test('the home is the flag, else HOLDFAST_HOME, else a folder of the user', () => {
  expect(homeOf('/a', { HOLDFAST_HOME: '/b' })).toBe('/a');
  expect(homeOf(undefined, { HOLDFAST_HOME: '/b' })).toBe('/b');
  expect(homeOf(undefined, { HOLDFAST_HOME: '' })).toMatch(/\.holdfast$/);
});
