// `store up`: a local network of node processes under one folder, kept running until somebody asks for the end.

import { LOCAL_NODES_MAX } from '../src/base/limits.ts';
import type { NetworkDescription } from '../src/client/types.ts';
import { parseCount, parseText } from './args.ts';
import type { CommandSpec, Context } from './command.ts';
import type { RunningNetwork } from './local-folder.ts';
import type { ReadyLine } from './node-process.ts';
import type { SupervisorEvent } from './supervisor.ts';
import type { Flags } from './settings.ts';

const NODES_DEFAULT = 7;

export const up: CommandSpec = {
  name: 'up',
  summary: 'run a local network of separate node processes, for trial and development',
  operands: '',
  options: [
    {
      flags: '--nodes <count>',
      help: `how many nodes (default: as many as there are, else ${NODES_DEFAULT})`,
      parse: parseCount(1, LOCAL_NODES_MAX),
    },
    {
      flags: '--dir <folder>',
      help: 'where it lives (default: where this home ran it last, else its folder local)',
      parse: parseText,
    },
    { flags: '--http', help: 'each node serves HTTP for programs of this machine, on a free port' },
    { flags: '--detach', help: 'leave it running in the background; "store down" stops it' },
  ],
  details: `Makes the network the default of this home, so that "store put" right after it
just works. Runs until Ctrl-C; everything stored stays in the folder and is
there again at the next start. All nodes are on this machine: a trial, no
protection against its loss.`,
  run: (context, _, flags) =>
    flags['detach'] === true ? runBehind(context, flags) : runHere(context, flags),
};

async function runBehind(context: Context, flags: Flags): Promise<undefined> {
  const { detach } = await import('./detach.ts');
  const { localFolder } = await import('./local-folder.ts');
  return detach(context, localFolder(context.home, flags['dir'] as string | undefined), {
    nodes: flags['nodes'] as number | undefined,
    hasHttp: flags['http'] === true,
  });
}

async function runHere(context: Context, flags: Flags): Promise<undefined> {
  const { output, home, signal } = context;
  const { clearRunning, localFolder, rememberFolder, untilStopAsked, writeRunning } = await import(
    './local-folder.ts'
  );
  const { lockFolder } = await import('../src/runtime/folder-lock.ts');
  const { prepareLocalNetwork } = await import('../src/node/local-network.ts');
  const { createSupervisor } = await import('./supervisor.ts');
  const { systemFiles } = await import('../src/runtime/files.ts');

  const folder = localFolder(home, flags['dir'] as string | undefined);
  await systemFiles.makeDirectory(folder);
  const lock = await lockFolder(folder);
  try {
    await clearRunning(folder);
    const count = (flags['nodes'] as number | undefined) ?? (await countIn(folder));
    const { nodeFolders, description } = await prepareLocalNetwork({ folder, count });
    const supervisor = createSupervisor({
      folders: nodeFolders,
      isRestarting: true,
      nodeOptions: flags['http'] === true ? ['--http-port', '0'] : [],
      onEvent: (event) => tell(context, event),
    });
    output.live(`starting ${count} nodes ...`);
    const onAbort = (): void => void supervisor.stop();
    signal.addEventListener('abort', onAbort);
    try {
      const lines = await supervisor.start();
      const running = runningOf(lines, nodeFolders, (index) => supervisor.pidOf(index));
      await announce(context, folder, description, lines, running);
      await rememberFolder(home, folder);
      await writeRunning(folder, running);
      await untilStopAsked(folder, signal);
      output.note('stopping ...');
    } finally {
      signal.removeEventListener('abort', onAbort);
      await supervisor.stop();
      await clearRunning(folder);
    }
  } finally {
    await lock.release();
  }
  return undefined;
}

function runningOf(
  lines: readonly ReadyLine[],
  folders: readonly string[],
  pidOf: (index: number) => number | undefined,
): RunningNetwork {
  return {
    pid: process.pid,
    network: lines[0]!.network,
    nodes: lines.map(({ node, http }, index) => ({
      node,
      pid: pidOf(index) ?? 0,
      folder: folders[index]!,
      ...(http === null ? {} : { http }),
    })),
  };
}

/** Makes the network the home's, and says how to use it. */
async function announce(
  { output, home }: Context,
  folder: string,
  description: NetworkDescription,
  lines: readonly ReadyLine[],
  running: RunningNetwork,
): Promise<void> {
  const { adoptNetwork, currentNetwork } = await import('./home-network.ts');
  const { shortId, table } = await import('./format.ts');
  const { network, name } = description;
  const before = await currentNetwork(home).catch(() => undefined);
  if (before !== undefined && before.network !== network) {
    output.warn(`this home's network was ${before.name} (${shortId(before.network)}) and is now this one`);
  }
  await adoptNetwork(home, description);
  const rows = lines.map(({ node, bulk, http }, index) => [
    String(index + 1),
    shortId(node),
    String(running.nodes[index]!.pid),
    bulk[0] ?? '',
    http ?? '',
  ]);
  output.result(undefined, { ...running, name, dir: folder, isTrial: true });
  output.note(
    table(['', 'node', 'pid', 'address', lines.some(({ http }) => http !== null) ? 'http' : ''], rows),
  );
  output.note(`trial network ${name} (${shortId(network)}) in ${folder}: all nodes are on this machine`);
  output.note('try:  store put FILE      stop:  Ctrl-C, or store down');
}

function tell({ output, signal }: Context, event: SupervisorEvent): void {
  if (signal.aborted) return;
  switch (event.kind) {
    case 'ready':
      output.live(`node ${event.index + 1} serves`);
      break;
    case 'died': {
      const { exit, lastWords, restartInMs } = event;
      const how = exit.signal ?? `exit code ${exit.code}`;
      const words = lastWords === '' ? '' : `; its last words: ${lastWords}`;
      const then = restartInMs === undefined ? '' : `; starting it again in ${restartInMs / 1000} s`;
      output.warn(`node ${event.index + 1} ended (${how})${words}${then}`);
      break;
    }
    case 'failed':
      output.warn(`node ${event.index + 1} did not start: ${event.error.message}`);
      break;
  }
}

/** As many nodes as asked for; else as many as there are in the folder. */
async function countIn(folder: string): Promise<number> {
  const { readdir } = await import('node:fs/promises');
  const present = (await readdir(folder)).filter((name) => /^node-[1-9][0-9]*$/.test(name)).length;
  return present === 0 ? NODES_DEFAULT : present;
}
