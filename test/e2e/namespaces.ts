// Hosts as network namespaces: each with an interface and an address of its own, joined by a bridge. Everything happens in
// a namespace of the whole test (network, mounts, processes), so that when its first process ends, in whatever way, the
// kernel takes every host, link and process with it.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';

export interface Host {
  readonly name: string;
  readonly address: string;
  /** Words in front of a command that runs on this host. */
  readonly prefix: readonly string[];
}

const NETWORK = '10.77.0.';
const BRIDGE = 'hfbridge';

/** Ways to a namespace of our own, the most complete first: root, then an unprivileged user where that is allowed. */
const WAYS: readonly (readonly string[])[] = [
  ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ['--user', '--map-root-user', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ['--net', '--mount'],
  ['--user', '--map-root-user', '--net', '--mount'],
];

export interface Way {
  /** Words in front of a command that runs inside. */
  readonly words: readonly string[];
}

/** How this machine lets us have namespaces, or why it does not. */
export function findWay(): Way | { readonly reason: string } {
  let reason = 'unshare is missing (Debian package util-linux)';
  for (const options of WAYS) {
    // Trying everything that is needed later, with addresses that nobody sees.
    const script = [
      'mount -t tmpfs tmpfs /run',
      'ip netns add hfprobe',
      'ip link add hfprobe0 type veth peer name hfprobe1',
      'ip link set hfprobe1 netns hfprobe',
      'ip link add hfprobe2 type bridge',
    ].join(' && ');
    const { status, stderr, error } = spawnSync('unshare', [...options, 'sh', '-c', script], {
      encoding: 'utf8',
    });
    if (status === 0) return { words: ['unshare', ...options] };
    if (error === undefined) reason = stderr.trim().split('\n').at(-1) ?? 'unshare failed';
  }
  return { reason };
}

/** Installs the Debian package when the command is missing. True when it is there now. */
export function provideIp(): boolean {
  const isThere = (): boolean => spawnSync('ip', ['-V']).status === 0;
  if (isThere()) return true;
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'iproute2']]) {
    spawnSync('apt-get', args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  return isThere();
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** `count` hosts on one bridge. Only inside a namespace of our own. */
export function makeHosts(count: number): readonly Host[] {
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  ip('link', 'set', BRIDGE, 'up');
  return Array.from({ length: count }, (_, index) => makeHost(`host${index + 1}`, `${NETWORK}${index + 1}`));
}

function makeHost(name: string, address: string): Host {
  ip('netns', 'add', name);
  ip('link', 'add', linkOf(name), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  ip('link', 'set', linkOf(name), 'master', BRIDGE, 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  return { name, address, prefix: ['ip', 'netns', 'exec', name] };
}

/** A file system of 4 MiB at `path`. Only inside a namespace of our own. */
export async function makeSmallDisk(path: string): Promise<string> {
  await mkdir(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path]);
  return path;
}

/** Pulls the plug of a host, or puts it back: packets vanish, nobody is told. */
export function setLink(host: Host, state: 'up' | 'down'): void {
  ip('link', 'set', linkOf(host.name), state);
}

function linkOf(name: string): string {
  return `hf-${name}`;
}
