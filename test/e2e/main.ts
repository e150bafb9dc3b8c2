// `npm run e2e`: five hosts with their own addresses, the real command on each. One founds a network, four join; put on
// one, get on another; a link is cut and healed, a host is killed and comes back. Exit 0 when all of it held, or with a
// line `SKIPPED: ...` where this machine allows no network namespaces.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration } from '../../cli/format.ts';
import { type Machine, makeMachine } from './machine.ts';
import { findWay, makeHosts, makeSmallDisk, provideIp, setLink } from './namespaces.ts';

const HOSTS = 5;
const PORT = 4001;
/** Whoever joins is a member two epochs later: short ones, so that the story goes on. */
const EPOCH_BLOCKS = 8;
const LENGTH = 24 * 1024 * 1024;
const WAIT_MS = 60_000;

interface Put {
  readonly uri: string;
  readonly missingPieces: number;
  readonly code: { readonly k: number; readonly n: number };
}

interface Status {
  readonly health: string;
  readonly members: number;
  readonly reachable: number;
  readonly isTrial: boolean;
}

function check(isTrue: boolean, sentence: string): void {
  if (!isTrue) throw new Error(sentence);
}

async function until(isTrue: () => Promise<boolean>, sentence: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await isTrue())) {
    check(performance.now() < deadline, `waited ${WAIT_MS / 1000} s in vain: ${sentence}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Outside: finds a way to namespaces and runs this file again inside. */
async function outside(): Promise<number> {
  if (process.platform !== 'linux') return skip('network namespaces are a thing of Linux');
  if (!provideIp())
    return skip('the command ip is missing and could not be installed (Debian package iproute2)');
  const way = findWay();
  if ('reason' in way) return skip(`this machine allows no network namespaces: ${way.reason}`);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-e2e-'));
  try {
    const [program, ...words] = [...way.words, process.execPath, fileURLToPath(import.meta.url), folder];
    const child = spawn(program!, words, { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => child.kill('SIGTERM'));
    return await new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function skip(reason: string): number {
  console.log(`SKIPPED: ${reason}`);
  return 0;
}

/** Inside: the story itself. */
async function inside(folder: string): Promise<void> {
  const hosts = makeHosts(HOSTS);
  const machines: Machine[] = [];
  for (const host of hosts) machines.push(await makeMachine(host, folder));
  try {
    await story(machines, folder);
  } catch (error) {
    for (const machine of machines) {
      const lines = (await machine.log()).trimEnd().split('\n').slice(-5);
      console.error(`--- ${machine.host.name}\n${lines.join('\n')}`);
    }
    throw error;
  } finally {
    await Promise.all(machines.map((machine) => machine.killNode()));
  }
}

async function story(machines: readonly Machine[], folder: string): Promise<void> {
  const [first, second, third, fourth, fifth] = machines as [Machine, Machine, Machine, Machine, Machine];
  const step = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const value = await run();
    console.log(`ok  ${what} (${formatDuration(performance.now() - startedAt)})`);
    return value;
  };
  const content = randomBytes(LENGTH);
  const file = join(folder, 'content');
  await writeFile(file, content);
  const statusOf = async (machine: Machine): Promise<Status> =>
    JSON.parse((await machine.run('status', '--json')).stdout.toString()) as Status;
  const getEquals = async (machine: Machine, uri: string): Promise<void> => {
    const out = join(machine.home, 'out');
    await machine.json('get', uri, out, '--force');
    check((await readFile(out)).equals(content), `${machine.host.name} got other bytes than were put`);
  };
  const put = async (machine: Machine): Promise<string> => {
    const { uri, missingPieces, code } = await machine.json<Put>('put', file);
    check(missingPieces >= 0 && code.n === 4, `unexpected code ${code.k}/${code.n}`);
    return uri;
  };

  const psk = join(folder, 'network.psk');
  await step('init on host1, closed by a pre-shared key', async () => {
    await first.json(
      'init',
      '--operator',
      'op1',
      '--name',
      'e2e',
      '--listen',
      `${first.host.address}:${PORT}`,
      '--reserve',
      '64MiB',
      '--psk',
      psk,
      '--epoch-blocks',
      String(EPOCH_BLOCKS),
    );
    await first.startNode();
  });
  await step('the chain makes its first block', () =>
    // Before it nothing can be proven: the key listens first whether somebody else signs with it.
    until(async () => (await first.run('epoch')).exitCode === 0, 'the chain has a block'),
  );
  await step('invite and join on four more hosts', async () => {
    for (const machine of machines.slice(1)) {
      const { code } = await first.json<{ code: string }>('invite');
      const index = machines.indexOf(machine) + 1;
      await machine.json(
        'join',
        code,
        '--operator',
        `op${index}`,
        '--listen',
        `${machine.host.address}:${PORT}`,
        '--reserve',
        '64MiB',
        '--psk',
        psk,
      );
      await machine.startNode();
    }
  });
  await step('every host sees five members', async () => {
    for (const machine of machines) {
      await until(async () => {
        if ((await statusOf(machine)).reachable === HOSTS) return true;
        // Blocks come with work: a network at rest makes one only now and then.
        await first.json('invite', '--stake', '1');
        return false;
      }, `${machine.host.name} reaches all`);
    }
    check(!(await statusOf(first)).isTrial, 'a network of real hosts is no trial');
  });
  await step('the four that joined have become validators', () =>
    until(async () => {
      const { validators } = await third.json<{ validators: readonly { power: string }[] }>('validators');
      if (validators.length === HOSTS) return true;
      await first.json('invite', '--stake', '1');
      return false;
    }, 'five validators'),
  );
  await step('whoever lacks the pre-shared key is refused', async () => {
    const { code } = await first.json<{ code: string }>('invite');
    const home = join(folder, 'stranger');
    const { exitCode } = await fifth.run('join', code, '--client', '--home', home);
    check(exitCode !== 0, 'a client without the key came in');
    await fifth.json('join', code, '--client', '--home', home, '--psk', psk);
  });
  const uri = await step('put on host1', () => put(first));
  await step('get on host3: same bytes', () => getEquals(third, uri));

  await step('a full disk at host3 is said, and nothing is left on it', async () => {
    const small = await makeSmallDisk(join(folder, 'small'));
    const { exitCode, stderr } = await third.run('get', uri, join(small, 'copy'));
    check(exitCode === 1 && stderr.includes('the disk is full'), `a full disk, said as: ${stderr}`);
    check((await readdir(small)).length === 0, 'the failed get left a file behind');
  });

  await step('cut the link of host4', async () => {
    setLink(fourth.host, 'down');
    await until(async () => (await statusOf(first)).reachable === HOSTS - 1, 'host4 is seen to be gone');
  });
  await step('get on host2 without host4: same bytes', () => getEquals(second, uri));
  const later = await step('put on host5 without host4', () => put(fifth));
  await step('host4 is told clearly that it is alone', async () => {
    const { stdout, exitCode } = await fourth.run('get', later, join(fourth.home, 'alone'), '--json');
    const { error } = JSON.parse(stdout.toString()) as { error?: { code: string } };
    check(error !== undefined && exitCode !== 0, 'a get without a network cannot succeed');
  });
  await step('heal the link: every host reaches every other', async () => {
    setLink(fourth.host, 'up');
    for (const machine of [first, fourth]) {
      await until(
        async () => (await statusOf(machine)).reachable === HOSTS,
        `${machine.host.name} reaches all`,
      );
    }
  });
  await step('get on host4 of what was put without it: same bytes', () => getEquals(fourth, later));

  const killed = await step('kill -9 host2', async () => {
    await second.killNode();
    await until(async () => (await statusOf(first)).reachable === HOSTS - 1, 'host2 is seen to be gone');
    const { members } = await first.json<{ members: { node: string; isReachable: boolean }[] }>('network');
    return members.find(({ isReachable }) => !isReachable)!.node;
  });
  await step('get on host5 without host2: same bytes', () => getEquals(fifth, uri));
  await step('start host2 again: same key, and the network is whole', async () => {
    check((await second.startNode()) === killed, 'host2 came back under another key');
    await until(async () => (await statusOf(fifth)).health === 'ok', 'the network is healthy');
  });
  await step('get on host2: same bytes', () => getEquals(second, uri));
  await step('rm on host1: gone for everybody', async () => {
    await first.json('rm', uri);
    const { exitCode } = await third.run('get', uri, join(third.home, 'gone'));
    check(exitCode === 3, `a removed object is not found, yet the exit code is ${exitCode}`);
  });
  await step('every node stops cleanly', async () => {
    const codes = await Promise.all(machines.map((machine) => machine.stopNode()));
    check(
      codes.every((code) => code === 0),
      `exit codes ${codes.join(' ')}`,
    );
  });
}

async function main(): Promise<number> {
  const folder = process.argv[2];
  if (folder === undefined) return outside();
  try {
    await inside(folder);
    console.log('e2e: everything held');
    return 0;
  } catch (error) {
    console.error(`e2e: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

process.exit(await main());
