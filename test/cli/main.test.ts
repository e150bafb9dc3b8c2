// The command line as a person meets it, without a network: real processes through bin/store.cjs.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { COMMANDS, helpText } from '../../cli/program.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { formatInvitation } from '../../src/node/invitation.ts';
import { type CommandResult, runStore, STORE } from '../../scripts/demo/store-command.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
const home = join(root, 'home');
const env = { HOLDFAST_HOME: home };
const URI = `store://bafyreibuommny6uaiunym5c7qkrqc63bioxnn3rs4o4wnnuyl32cuc3fly#72dade8e.${'A'.repeat(43)}`;

afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => rmSync(home, { recursive: true, force: true }));

const run = (...args: string[]): Promise<CommandResult> => runStore(args, { env });
const firstLine = ({ stderr }: CommandResult): string => stderr.split('\n')[0]!;

/** Runs a command that must fail, and checks all that is promised about failures. */
async function fails(
  exitCode: number,
  code: string,
  line: string,
  ...args: string[]
): Promise<CommandResult> {
  const result = await run(...args);
  expect(firstLine(result)).toBe(`error: ${line}`);
  expect(result.exitCode).toBe(exitCode);
  expect(result.stdout.toString()).toBe('');
  expect(result.stderr).toMatch(new RegExp(`^next: {2}.+\\ncode: {2}${code}\\n$`, 'm'));
  expect(result.stderr).not.toMatch(/^\s+at /m);
  return result;
}

describe('help', () => {
  test('of the program lists every command', async () => {
    const { stdout, exitCode } = await run('--help');
    expect(exitCode).toBe(0);
    await expect(stdout.toString()).toMatchFileSnapshot('../../bin/help.txt');
  });

  test.each(COMMANDS.map(({ name }) => name))('of %s is what the golden file says', async (name) => {
    await expect(helpText(name)).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  test('is the same by flag and by topic', async () => {
    const [flag, topic] = await Promise.all([run('put', '--help'), run('help', 'put')]);
    expect([flag.exitCode, topic.exitCode]).toEqual([0, 0]);
    expect(flag.stdout.toString().trimEnd()).toBe(helpText('put').trimEnd());
    expect(topic.stdout.toString().trimEnd()).toBe(helpText('put').trimEnd());
  });

  test('explains the exit codes', async () => {
    const { stdout } = await run('help', 'exit-codes');
    expect(stdout.toString()).toMatch(/^ {2}10 {3}not enough operators, pieces or confirmations$/m);
    await fails(2, 'INVALID_ARGUMENT', 'there is no help on "nothing"', 'help', 'nothing');
  });

  test('without a command goes to standard error with the exit code of wrong use', async () => {
    const { stdout, stderr, exitCode } = await run();
    expect([exitCode, stdout.length]).toEqual([2, 0]);
    expect(stderr).toMatch(/^Usage: store <command>/);
  });

  test('the version is one line, or one object', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect((await run('--version')).stdout.toString()).toMatch(
      new RegExp(`^holdfast ${version} \\(node \\d+`),
    );
    const json = JSON.parse((await run('version', '--json')).stdout.toString()) as Record<string, string>;
    expect(json).toEqual({ version, node: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string });
  });
});

describe('wrong use', () => {
  test.each([
    ["unknown option '--nodez'", ['up', '--nodez', '3'], 'Did you mean --nodes?'],
    ["unknown command 'putt'", ['putt', 'x'], 'Did you mean put?'],
    ["missing required argument 'file'", ['put'], 'See "store'],
    ["option '--code <k/n>' argument missing", ['put', 'x', '--code'], 'See "store'],
    ["too many arguments for 'rm'. Expected 1 argument but got 2: a, b.", ['rm', 'a', 'b'], 'See "store'],
    [
      '--code: "9/3" is not a code k/n with 1 <= k <= n <= 255, for example 4/10',
      ['put', 'x', '--code', '9/3'],
      'Give',
    ],
    ['--nodes: "0" is not a whole number from 1 to 64', ['up', '--nodes', '0'], 'Give'],
    ['--range: "x" is not a range OFFSET or OFFSET-END in bytes', ['get', URI, '--range', 'x'], 'Give'],
    ['--lane: "fast" is not one of bulk, control', ['status', '--lane', 'fast'], 'Give'],
    ['--code and --copies exclude one another', ['put', 'x', '--code', '1/2', '--copies', '2'], 'Give one'],
  ])('%s', async (line, args, next) => {
    const { stderr } = await fails(2, 'INVALID_ARGUMENT', line, ...args);
    expect(stderr).toContain(`next:  ${next}`);
  });

  test('with --json a failure is one object on standard output and nothing else', async () => {
    for (const args of [
      ['put', '--nope', '--json'],
      ['--json', 'put', join(root, 'no')],
      ['rm', 'x', '--json'],
    ]) {
      const { stdout, stderr, exitCode } = await run(...args);
      const { error } = JSON.parse(stdout.toString()) as { error: Record<string, string> };
      expect(Object.keys(error)).toEqual(['code', 'message', 'next']);
      expect(stdout.toString().match(/\n/g)).toHaveLength(1);
      expect(stderr).toBe('');
      expect(exitCode).toBeGreaterThan(1);
    }
  });

  test('a value of the environment is refused by the name of its variable', async () => {
    const result = await runStore(['put', 'x'], { env: { ...env, HOLDFAST_CODE: 'x' } });
    expect(firstLine(result)).toMatch(/^error: HOLDFAST_CODE: "x" is not a code k\/n/);
    expect(result.exitCode).toBe(2);
  });

  test('colours come when they are asked for and not else', async () => {
    const plain = await runStore(['putt'], { env });
    const colour = await runStore(['putt'], { env: { ...env, FORCE_COLOR: '1' } });
    const none = await runStore(['putt'], { env: { ...env, NO_COLOR: '1' } });
    expect([plain, colour, none].map(({ stderr }) => stderr.includes('\u001b['))).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe('files', () => {
  test('a missing file', async () => {
    const path = join(root, 'missing');
    await fails(3, 'NOT_FOUND', `cannot put ${path}: there is no such file`, 'put', path);
  });

  test('a directory', async () => {
    await fails(2, 'INVALID_ARGUMENT', `cannot put ${root}: it is a directory`, 'put', root);
  });

  test('an existing output is refused before anything is asked of a network', async () => {
    const path = join(root, 'exists');
    writeFileSync(path, 'mine');
    await fails(9, 'ALREADY_EXISTS', `cannot write ${path}: it exists`, 'get', URI, path);
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('an output in a folder that is not there', async () => {
    const folder = join(root, 'no-folder');
    const line = `cannot write ${join(folder, 'x')}: there is no folder ${folder}`;
    await fails(3, 'NOT_FOUND', line, 'get', URI, join(folder, 'x'));
  });

  test('an object and a JSON object cannot share standard output', async () => {
    const { stdout, exitCode } = await run('get', URI, '--json');
    expect(JSON.parse(stdout.toString())).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } });
    expect(exitCode).toBe(2);
  });

  test.each(['get', 'stat', 'rm'])('%s refuses what is not a URI', async (command) => {
    const line = 'not a URI of an object: it does not start with store://';
    await fails(2, 'INVALID_URI', line, command, 'https://example.org/x');
    expect((await run(command, URI.slice(0, 40))).exitCode).toBe(2);
  });
});

describe('configuration', () => {
  test('no network', async () => {
    const line = `no network is configured: there is no ${join(home, 'network.json')}`;
    for (const args of [['get', URI, join(root, 'x')], ['status'], ['network'], ['rm', URI], ['stat', URI]]) {
      await fails(3, 'NOT_FOUND', line, ...args);
    }
    expect(existsSync(join(root, 'x'))).toBe(false);
  });

  test('a damaged configuration file is named', async () => {
    const path = join(home, 'config.yaml');
    mkdirSync(home);
    writeFileSync(path, 'put: [');
    await fails(1, 'INVALID_CONFIG', `configuration file ${path} is not YAML`, 'version');
    writeFileSync(path, 'kode: 3/7\n');
    await fails(1, 'INVALID_CONFIG', `configuration file ${path} has an unknown setting "kode"`, 'status');
    writeFileSync(path, 'code: 7/3\n');
    const result = await run('put', STORE);
    expect(firstLine(result)).toMatch(`error: configuration file ${path} has a wrong value for code: "7/3"`);
    expect(result.exitCode).toBe(1);
  });

  test('a damaged network file is named', async () => {
    const path = join(home, 'network.json');
    mkdirSync(home);
    writeFileSync(path, '{"network":');
    const result = await run('status');
    expect(firstLine(result)).toBe(`error: network description ${path} is damaged: it is not JSON`);
    expect(result.exitCode).toBe(1);
  });
});

describe('nodes', () => {
  const dir = join(home, 'node');
  let server: Server | undefined;
  let port = 0;

  const listening = (at: number): Promise<Server | undefined> =>
    new Promise((resolve) => {
      const candidate = createServer();
      candidate.once('error', () => resolve(undefined));
      candidate.listen(at, '127.0.0.1', () => resolve(candidate));
    });

  /** A port that is taken whose successor, the bulk lane's, is free: the refusal must name the first. */
  beforeEach(async () => {
    for (;;) {
      server?.close();
      server = (await listening(0))!;
      port = (server.address() as { port: number }).port;
      const next = await listening(port + 1);
      if (next === undefined) continue;
      await new Promise((resolve) => next.close(resolve));
      return;
    }
  });
  afterAll(() => void server?.close());

  const found = (): Promise<CommandResult> =>
    run('init', '--operator', 'op', '--listen', `127.0.0.1:${port}`, '--json');

  test('init founds a network once, and the home knows it', async () => {
    const made = JSON.parse((await found()).stdout.toString()) as Record<string, unknown>;
    expect(made).toMatchObject({
      name: 'holdfast',
      operator: 'op',
      account: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      dir,
      bootstrap: [`/ip4/127.0.0.1/tcp/${port + 1}/tls`],
      isTrial: false,
    });
    const known = JSON.parse(readFileSync(join(home, 'network.json'), 'utf8')) as Record<string, unknown>;
    expect(known['network']).toBe(made['network']);
    await fails(9, 'ALREADY_EXISTS', `the home ${home} belongs to network holdfast already`, 'init');
    const again = await run('init', '--force');
    expect([again.exitCode, firstLine(again)]).toEqual([9, `error: ${dir} already holds a node`]);
  });

  test('a port in use', async () => {
    await found();
    const result = await run('node');
    expect(firstLine({ ...result, stderr: result.stderr.replace(/^\{.*\n/gm, '') })).toMatch(
      new RegExp(`^error: .*\\b${port}\\b`),
    );
    expect(result.stderr).toContain('code:  PORT_IN_USE');
    expect(result.exitCode).toBe(9);
  });

  test('a damaged identity', async () => {
    await found();
    const path = join(dir, 'identity.key');
    writeFileSync(path, readFileSync(path, 'latin1').replace(/[0-9a-f]{8}\n$/, '00000000\n'));
    await fails(
      8,
      'INVALID_IDENTITY',
      `identity file ${path} is damaged: its checksum does not match`,
      'node',
    );
  });

  test('a folder that is no node', async () => {
    const path = join(root, 'nothing', 'genesis.json');
    await fails(3, 'NOT_FOUND', `there is no network file ${path}`, 'node', '--dir', join(root, 'nothing'));
  });

  /** As "store invite" would print it. */
  const codeFor = (port: number): string =>
    formatInvitation({
      network: new Uint8Array(32).fill(7) as NetworkId,
      name: 'elsewhere',
      addresses: [`/ip4/127.0.0.1/tcp/${port}/tls`],
      tokens: 100n,
      secret: new Uint8Array(16),
    });

  test('an invitation needs the network to be up, and a wrong code is refused', async () => {
    await found();
    const invited = await run('invite');
    expect([invited.exitCode, firstLine(invited)]).toEqual([
      5,
      expect.stringMatching(/^error: no node of the network answered/),
    ]);
    expect(existsSync(join(dir, 'invitations'))).toBe(false);
    const code = codeFor(port + 1);
    const wrong = await run('join', `${code.slice(0, -1)}${code.endsWith('a') ? 'b' : 'a'}`);
    expect(firstLine(wrong)).toMatch(/^error: this is not an invitation code: /);
    expect(wrong.exitCode).toBe(2);
  });

  test('joining where nobody is', async () => {
    server!.close();
    const result = await runStore(['join', codeFor(port + 1), '--operator', 'b'], {
      env: { HOLDFAST_HOME: join(root, 'other-home') },
    });
    expect([result.exitCode, firstLine(result)]).toEqual([
      5,
      expect.stringMatching(/^error: no node of the network answered/),
    ]);
    expect(existsSync(join(root, 'other-home', 'network.json'))).toBe(false);
  });

  test('no local network to stop', async () => {
    await fails(3, 'NOT_FOUND', `no local network runs in ${join(home, 'local')}`, 'down');
  });
});

describe('the guard', () => {
  /** A script that makes the process believe to be an older Node. */
  const pretend = (version: string, more: string): string => {
    const path = join(root, `pretend-${version}.cjs`);
    const versions = `{ ...process.versions, node: '${version}' }`;
    writeFileSync(path, `Object.defineProperty(process, 'versions', { value: ${versions} }); ${more}`);
    return path;
  };
  const start = (preload: string, ...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ['-r', preload, STORE, ...args], { encoding: 'utf8' });

  test('says one sentence where no Node is good enough', () => {
    const { status, stderr } = start(
      pretend('18.0.0', "Object.defineProperty(process, 'arch', { value: 'none' });"),
    );
    expect(stderr).toMatch(/^store: Holdfast needs Node 22\.13 or newer, this is 18\.0\.0; .+\n$/);
    expect(status).toBe(1);
  });

  test('turns to the bundled Node and passes its exit codes', () => {
    const bundled = `../../node_modules/node-${process.platform}-${process.arch}/bin/node`;
    const isBundled = existsSync(new URL(bundled, import.meta.url));
    const preload = pretend('20.0.0', "process.execPath = '/nowhere';");
    const [good, wrong] = [start(preload, 'version'), start(preload, 'putt')];
    expect([good.status, wrong.status]).toEqual(isBundled ? [0, 2] : [1, 1]);
    expect(start(preload, '--help').stdout).toMatch(/^Usage: store <command>/);
    expect(good.stdout).toMatch(isBundled ? /^holdfast / : /^$/);
  });
});
