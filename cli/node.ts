// `store node`: runs the node of a data folder in the foreground, for people, service managers and `store up`.

import { parseChoice, parseCount, parseDigest, type Parse } from './args.ts';
import type { CommandSpec, Context } from './command.ts';
import { NODE_OPTIONS, type NodeFlags } from './node-folder.ts';
import type { ReadyLine } from './node-process.ts';
import { BLOCKS_KEPT_MIN, HEIGHT_MAX } from '../src/base/limits.ts';
import type { NodeConfig } from '../src/node/config.ts';
import type { RunningStatus } from '../src/node/node.ts';

const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;

const parseKept = parseCount(BLOCKS_KEPT_MIN, HEIGHT_MAX);
const parseKeepBlocks: Parse = (text, where) => (text === 'all' ? text : parseKept(text, where));

interface RunFlags extends NodeFlags {
  readonly keepBlocks?: number | 'all';
  readonly trustHeight?: number;
  readonly trustHash?: string;
  readonly logLevel?: (typeof LEVELS)[number];
  readonly supervised?: boolean;
}

export const node: CommandSpec = {
  name: 'node',
  summary: 'run the node of this machine, or show how it stands',
  operands: '[action]',
  completes: ['status'],
  options: [
    ...NODE_OPTIONS,
    {
      flags: '--keep-blocks <count>',
      help: 'blocks of the chain to keep, or all (default: 100000)',
      parse: parseKeepBlocks,
    },
    {
      flags: '--trust-height <height>',
      help: 'begin to trust the chain at this block, whose id --trust-hash says',
      parse: parseCount(1, HEIGHT_MAX),
    },
    {
      flags: '--trust-hash <hex>',
      help: 'id of that block, from somebody you trust ("store epoch" prints both)',
      parse: parseDigest,
    },
    {
      flags: '--log-level <level>',
      help: 'how much to log (default: info)',
      parse: parseChoice(LEVELS),
      choices: LEVELS,
    },
    { flags: '--supervised', help: 'stop when standard input closes', isHidden: true },
  ],
  details: `Runs in the foreground until Ctrl-C or SIGTERM; the log goes to standard error,
one JSON object a line. Flags win over node.yaml in the data folder, which
"store init" and "store join" write; docs/operating.md lists its settings.

store node status shows what the node holds, how it stands by its audits, what the
last rounds asked of it, its stake and what it earns. Exit code 0: all is well;
4: it is silent, jailed, retired, does not answer or has damage; 3: no such node.`,
  run: async (context, [action], flags) => {
    if (action === undefined) return serve(context, context.home, flags as unknown as RunFlags);
    const { showNode } = await import('./node-status.ts');
    return showNode(context, action, flags as unknown as RunFlags);
  },
};

async function serve({ output, signal }: Context, home: string, flags: RunFlags): Promise<undefined> {
  const { configFlags, nodeEnvironment, nodeFolderOf } = await import('./node-folder.ts');
  const { createNode } = await import('../src/node/node.ts');
  const { packageVersion } = await import('./version.ts');
  const { shortId } = await import('./format.ts');
  const { giveBackAtRest } = await import('./node-memory.ts');

  const folder = nodeFolderOf(home, flags.dir);
  const running = await createNode({
    folder,
    flags: { ...configFlags(flags), ...runFlags(flags) },
    environment: await nodeEnvironment(),
    agent: `holdfast/${packageVersion()}`,
  });
  const stopGivingBack = giveBackAtRest();
  try {
    const ready = readyLine(running.status(), await networkName(folder));
    output.result(undefined, { ...ready });
    const addresses = [...ready.bulk, ...ready.control].join(' ');
    output.note(`node ${shortId(ready.node)} of network ${ready.name} serves at ${addresses}`);
    if (ready.http !== null)
      output.note(`programs of this machine reach the chain at ${ready.http}/openapi.json`);
    const { isMember, isTrial } = running.status();
    if (!isMember) output.warn('this node is not a member of the network: it gets nothing new to store');
    if (isTrial) output.note('trial network: its nodes are on one machine');
    const failure = await Promise.race([untilStopped(signal, flags.supervised === true), running.ended]);
    if (failure !== undefined) throw failure;
  } finally {
    stopGivingBack();
    await running.stop();
  }
  return undefined;
}

function runFlags({ logLevel, keepBlocks, trustHeight, trustHash }: RunFlags): Partial<NodeConfig> {
  return {
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(keepBlocks === undefined ? {} : { keepBlocks }),
    ...(trustHeight === undefined ? {} : { trustHeight }),
    ...(trustHash === undefined ? {} : { trustHash }),
  };
}

function readyLine(status: RunningStatus, name: string): ReadyLine {
  const { control, bulk } = status.addresses;
  const http = status.http ?? null;
  return {
    node: Buffer.from(status.node).toString('hex'),
    network: status.network,
    name,
    control,
    bulk,
    http,
  };
}

async function networkName(folder: string): Promise<string> {
  const { dataFolder } = await import('../src/node/data-folder.ts');
  const { readGenesis } = await import('../src/node/genesis.ts');
  const { nativeVerify } = await import('../src/runtime/crypto.ts');
  return (await readGenesis(dataFolder(folder).genesisFile, nativeVerify)).signed.genesis.name;
}

/** Until a signal asks for the end, or the supervisor at the other end of standard input is gone. */
function untilStopped(signal: AbortSignal, isSupervised: boolean): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    // Keeps the process alive although every socket may be idle.
    const alive = setInterval(() => undefined, 60_000);
    const end = (): void => {
      clearInterval(alive);
      resolve(undefined);
    };
    signal.addEventListener('abort', end, { once: true });
    if (!isSupervised) return;
    process.stdin.on('error', end).on('close', end).on('end', end);
    process.stdin.resume();
  });
}
