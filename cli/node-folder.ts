// The folder of this machine's node, as options of the command line describe it. What its files mean is said in
// src/node/data-folder.ts and src/node/config.ts.

import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { toHex } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { NodeConfig } from '../src/node/config.ts';
import { dataFolder } from '../src/node/data-folder.ts';
import {
  type OptionSpec,
  parseAddress,
  parseDomain,
  parseHttpPort,
  parseLabel,
  parseSize,
  parseText,
} from './args.ts';

export interface NodeFlags {
  readonly dir?: string;
  readonly operator?: string;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly httpPort?: number | 'off';
  readonly announce?: readonly string[];
  readonly capacity?: number;
  readonly reserve?: number;
  readonly domain?: readonly (readonly [string, string])[];
  readonly psk?: string;
}

export const DIR_OPTION: OptionSpec = {
  flags: '--dir <folder>',
  help: "the node's data folder (default: the folder node in the home)",
  parse: parseText,
};

const SIZE = parseSize(0, Number.MAX_SAFE_INTEGER);

/** Of commands that set a node up. */
export const NODE_OPTIONS: readonly OptionSpec[] = [
  DIR_OPTION,
  { flags: '--operator <name>', help: "who runs this node (default: the machine's name)", parse: parseLabel },
  {
    flags: '--listen <host:port>',
    help: 'control lane; the bulk lane takes the next port (default: 0.0.0.0:4001)',
    parse: parseAddress,
  },
  {
    flags: '--http-port <port>',
    help: 'HTTP for programs of this machine, on loopback, or off (default: 4003, or two after --listen)',
    parse: parseHttpPort,
  },
  {
    flags: '--announce <host>',
    help: 'what others are told to connect to; may be repeated',
    parse: parseText,
    isList: true,
  },
  { flags: '--capacity <size>', help: 'most bytes to store (default: 100GiB)', parse: SIZE },
  { flags: '--reserve <size>', help: 'disk space that new pieces leave free (default: 5GiB)', parse: SIZE },
  {
    flags: '--domain <label=value>',
    help: 'failure domain, such as rack=r1; may be repeated',
    parse: parseDomain,
    isList: true,
  },
];

export function nodeFolderOf(home: string, dir: string | undefined): string {
  return resolve(dir ?? join(home, 'node'));
}

/** The machine's name as an operator's name. */
export function defaultOperator(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64);
  return name === '' ? 'operator' : name;
}

/** What flags say about a node, in the words of its configuration. Throws INVALID_ARGUMENT. */
export function configFlags(flags: NodeFlags): Partial<NodeConfig> {
  const { operator, listen, httpPort, announce, capacity, reserve, domain, psk } = flags;
  return {
    ...(operator === undefined ? {} : { operator }),
    ...(listen === undefined ? {} : portsOf(listen)),
    ...(httpPort === undefined ? {} : { httpPort }),
    ...(announce === undefined ? {} : { announce }),
    ...(capacity === undefined ? {} : { capacityBytes: capacity }),
    ...(reserve === undefined ? {} : { reserveBytes: reserve }),
    ...(domain === undefined ? {} : { domains: Object.fromEntries(domain) }),
    ...(psk === undefined ? {} : { presharedKeyFile: resolve(psk) }),
  };
}

/** Of HTTP where nobody says anything: after the two of the lanes. */
const HTTP_PORT = 4003;

/** The same for a node that is made now, which serves HTTP unless told otherwise. Throws INVALID_ARGUMENT. */
export function newNodeConfig(flags: NodeFlags): Partial<NodeConfig> {
  const { listen, httpPort } = flags;
  const config = configFlags(flags);
  if (httpPort !== undefined) return config;
  if (listen === undefined || listen.port === 0) return { ...config, httpPort: listen?.port ?? HTTP_PORT };
  const next = listen.port + 2;
  if (next <= 65_535) return { ...config, httpPort: next };
  throw new StoreError(
    'INVALID_ARGUMENT',
    '--listen: HTTP needs the port after the next, and 65535 is the last',
    {
      next: 'Give a smaller port, or --http-port.',
    },
  );
}

function portsOf({ host, port }: NonNullable<NodeFlags['listen']>): Partial<NodeConfig> {
  if (port === 65_535) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      '--listen: the bulk lane needs the next port, and 65535 is the last',
      {
        next: 'Give a smaller port.',
      },
    );
  }
  return { ...(host === '' ? {} : { host }), controlPort: port, bulkPort: port === 0 ? 0 : port + 1 };
}

/** Variables of the environment that mean a node, not an option of the command line. */
export async function nodeEnvironment(): Promise<Record<string, string | undefined>> {
  const { COMMANDS, optionsOf } = await import('./program.ts');
  const { optionName } = await import('./args.ts');
  const { variableOf } = await import('./settings.ts');
  const own = new Set(
    COMMANDS.flatMap((spec) => optionsOf(spec).map((option) => variableOf(optionName(option)))),
  );
  const isOwn = (name: string): boolean => own.has(name) || name === 'HOLDFAST_DEBUG';
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name.startsWith('HOLDFAST_') && !isOwn(name)),
  );
}

/** Node id, in hex, of the node in a folder; undefined where there is none. Throws INVALID_IDENTITY, DISK. */
export async function readNodeId(path: string): Promise<string | undefined> {
  const { loadIdentity } = await import('../src/runtime/identity.ts');
  try {
    return toHex((await loadIdentity(dataFolder(path).identityKey)).nodeId);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
