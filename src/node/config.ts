// What an operator may decide about a node. Four layers, each above the one before: defaults, node.yaml, environment,
// flags. Nothing is guessed: an unknown word is refused with the nearest known one, a bad value with where it stands.

import { z } from 'zod';
import { StoreError } from '../base/errors.ts';
import { label } from '../base/codec.ts';
import {
  ADDRESS_LENGTH_MAX,
  ADDRESSES_MAX,
  BLOCKS_KEPT,
  BLOCKS_KEPT_MIN,
  CAPACITY_MIN,
  DOMAIN_LABELS_MAX,
  GARBAGE_GRACE_HOURS,
  GARBAGE_GRACE_HOURS_MAX,
  HEIGHT_MAX,
  LABEL_LENGTH_MAX,
  OWNERS_ALLOWED_MAX,
  SCRUB_PERIOD_MS,
} from '../base/limits.ts';
import { readConfigFile, type SourcedValue } from './config-file.ts';
import { nearest } from './nearest.ts';
import { parseBytes } from './quantity.ts';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface NodeConfig {
  /** Address to listen on. */
  readonly host: string;
  /** Ports of the two lanes; 0 lets the system choose. */
  readonly controlPort: number;
  readonly bulkPort: number;
  /** Port of HTTP for programs of this machine, on loopback; 0 lets the system choose, off: there is none. */
  readonly httpPort: number | 'off';
  /**
   * What others are told: hosts (`10.0.0.2`, `node.example.org`), which stand for both ports, or whole multiaddrs. Empty: the
   * addresses of this machine.
   */
  readonly announce: readonly string[];
  /** Most payload bytes the node stores. */
  readonly capacityBytes: number;
  /** Free bytes of the disk that new pieces leave alone; undefined: the larger of 5 GiB and 2 % of the disk. */
  readonly reserveBytes: number | undefined;
  readonly operator: string;
  readonly domains: Readonly<Record<string, string>>;
  /** Bulk addresses to ask first, besides those of known members. */
  readonly bootstrap: readonly string[];
  /** File of the pre-shared network key (64 hex digits, mode 0600); empty: none. */
  readonly presharedKeyFile: string;
  /** Owners (64 hex digits) who may store here; empty: everybody. */
  readonly allowedOwners: readonly string[];
  /** Everything stored is read again within this many days. */
  readonly scrubDays: number;
  /** What the chain does not name stays for so long; undefined: two days, in a trial an hour. */
  readonly graceHours: number | undefined;
  /** Blocks of the chain that are kept, or all of them. */
  readonly keepBlocks: number | 'all';
  /** A block that the operator vouches for, for a node that was away for long: its height and its id (64 hex digits); 0 and empty: none. */
  readonly trustHeight: number;
  readonly trustHash: string;
  readonly logLevel: LogLevel;
}

/** What a flag, a file or a variable may say: text or numbers, before it is checked. */
export type ConfigInput = { readonly [Key in keyof NodeConfig]?: unknown };

export interface ConfigSources {
  /** node.yaml; left out when it does not exist. */
  readonly file?: string;
  /** Variables HOLDFAST_*; `process.env` of the caller. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly flags?: ConfigInput;
}

const DAY_MS = 24 * 3600 * 1000;
const GIB = 1024 ** 3;

export const CONFIG_DEFAULTS: NodeConfig = {
  host: '0.0.0.0',
  controlPort: 4001,
  bulkPort: 4002,
  httpPort: 'off',
  announce: [],
  capacityBytes: 100 * GIB,
  reserveBytes: undefined,
  operator: '',
  domains: {},
  bootstrap: [],
  presharedKeyFile: '',
  allowedOwners: [],
  scrubDays: SCRUB_PERIOD_MS / DAY_MS,
  graceHours: undefined,
  keepBlocks: BLOCKS_KEPT,
  trustHeight: 0,
  trustHash: '',
  logLevel: 'info',
};

interface Rule<T> {
  readonly schema: z.ZodType<T>;
  /** What a value must be, after `... must be`. */
  readonly must: string;
}

/** Variables and flags carry numbers as text. */
function wholeNumber(min: number, max: number): Rule<number> {
  const isFit = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
  const schema = z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
    z.custom<number>(isFit),
  );
  return { schema, must: `a whole number from ${min} to ${max}` };
}

/** A port, or the word off. */
function optionalPort(): Rule<number | 'off'> {
  const { schema, must } = wholeNumber(0, 65_535);
  return { schema: z.union([z.literal('off'), schema]), must: `${must}, or off` };
}

function size(min: number): Rule<number> {
  const schema = z.preprocess(parseBytes, z.number().min(min));
  return { schema, must: `a size of at least ${min} bytes, such as 500GiB` };
}

/** Variables and flags carry lists as text between commas. */
function list<T>(item: z.ZodType<T>, max: number, must: string): Rule<T[]> {
  const schema = z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').flatMap((part) => part.trim() || []) : value),
    z.array(item).max(max),
  );
  return { schema, must: `${must}, at most ${max}` };
}

const host = z.string().regex(/^[0-9A-Za-z:][0-9A-Za-z.:-]{0,252}$/);
const address = z
  .string()
  .max(ADDRESS_LENGTH_MAX)
  .regex(/^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/\d{1,5}(\/tls)?$/);
const NAME = 'a-z, 0-9, dot, underscore and hyphen';

const domains = z.preprocess(
  (value) =>
    typeof value === 'string'
      ? Object.fromEntries(
          value.split(',').flatMap((part) => (part === '' ? [] : [part.trim().split('=', 2)])),
        )
      : value,
  z.record(label, label).refine((record) => Object.keys(record).length <= DOMAIN_LABELS_MAX),
);

const KEPT_BLOCKS: Rule<number> = wholeNumber(BLOCKS_KEPT_MIN, HEIGHT_MAX);

const RULES: { readonly [Key in keyof NodeConfig]: Rule<NodeConfig[Key]> } = {
  host: { schema: z.union([z.ipv4(), z.ipv6()]), must: 'an IP address of this machine, or 0.0.0.0' },
  controlPort: wholeNumber(0, 65_535),
  bulkPort: wholeNumber(0, 65_535),
  httpPort: optionalPort(),
  announce: list(
    z.union([address, host]),
    ADDRESSES_MAX,
    'hosts such as 10.0.0.2 or addresses such as /ip4/10.0.0.2/tcp/4002/tls',
  ),
  capacityBytes: size(CAPACITY_MIN),
  reserveBytes: size(0),
  operator: {
    schema: z.union([label, z.literal('')]),
    must: `a name of at most ${LABEL_LENGTH_MAX} of ${NAME}`,
  },
  domains: { schema: domains, must: `names and values of ${NAME}, such as rack: r1` },
  bootstrap: list(address, ADDRESSES_MAX, 'addresses such as /ip4/10.0.0.2/tcp/4002/tls'),
  presharedKeyFile: { schema: z.string(), must: 'the path of a file' },
  allowedOwners: list(z.string().regex(/^[0-9a-f]{64}$/), OWNERS_ALLOWED_MAX, 'owner ids of 64 hex digits'),
  scrubDays: wholeNumber(1, 365),
  graceHours: wholeNumber(GARBAGE_GRACE_HOURS, GARBAGE_GRACE_HOURS_MAX),
  keepBlocks: {
    schema: z.union([z.literal('all'), KEPT_BLOCKS.schema]),
    must: `all, or ${KEPT_BLOCKS.must}`,
  },
  trustHeight: wholeNumber(0, HEIGHT_MAX),
  trustHash: {
    schema: z.union([z.string().regex(/^[0-9a-f]{64}$/), z.literal('')]),
    must: 'the id of a block, 64 hex digits',
  },
  logLevel: { schema: z.enum(LOG_LEVELS), must: `one of ${LOG_LEVELS.join(', ')}` },
};

/** Names of a configuration file, in order. `capacity` and `reserve` are how people write the two sizes. */
const FILE_NAMES: ReadonlyMap<string, keyof NodeConfig> = new Map(
  (Object.keys(RULES) as (keyof NodeConfig)[]).map((name) => [
    name.replace(/^(capacity|reserve)Bytes$/, '$1'),
    name,
  ]),
);

/** The variable of a setting: `controlPort` is HOLDFAST_CONTROL_PORT, `capacityBytes` HOLDFAST_CAPACITY. */
const VARIABLES: ReadonlyMap<string, keyof NodeConfig> = new Map(
  [...FILE_NAMES].map(([name, field]) => [
    `HOLDFAST_${name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`,
    field,
  ]),
);

/**
 * The configuration that the sources add up to. Throws INVALID_CONFIG naming the file and line, the variable or the flag.
 */
export async function loadConfig(sources: ConfigSources): Promise<NodeConfig> {
  const values: SourcedValue[] = [
    ...(sources.file === undefined ? [] : renamed(await readConfigFile(sources.file), FILE_NAMES)),
    ...renamed(fromEnvironment(sources.environment ?? {}), VARIABLES),
    ...fromFlags(sources.flags ?? {}),
  ];
  const config: Record<string, unknown> = { ...CONFIG_DEFAULTS };
  for (const { name, value, where } of values) config[name] = check(name as keyof NodeConfig, value, where);
  return config as unknown as NodeConfig;
}

function check(field: keyof NodeConfig, value: unknown, where: string): unknown {
  const { schema, must } = RULES[field];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StoreError('INVALID_CONFIG', `${where} must be ${must}`, {
    next: 'docs/operating.md lists every setting with an example.',
  });
}

/** Values under the names of their fields. Throws INVALID_CONFIG for a name that is none. */
function renamed(
  values: readonly SourcedValue[],
  names: ReadonlyMap<string, keyof NodeConfig>,
): SourcedValue[] {
  return values.map((value) => {
    const field = names.get(value.name);
    if (field !== undefined) return { ...value, name: field };
    const suggestion = nearest(value.name, [...names.keys()]);
    throw new StoreError('INVALID_CONFIG', `${value.where} is not a setting`, {
      next:
        suggestion === undefined ? 'docs/operating.md lists every setting.' : `Did you mean ${suggestion}?`,
    });
  });
}

const PREFIX = 'HOLDFAST_';
/** Where a client's files live: two letters away from HOLDFAST_HOST. */
const CLIENT_HOME = 'HOLDFAST_HOME';

/** Variables that look like ours. One that resembles none of them belongs to another part of the program. */
function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): SourcedValue[] {
  const known = [...VARIABLES.keys()].map((name) => name.slice(PREFIX.length));
  return Object.entries(environment)
    .filter(([name, value]) => name.startsWith(PREFIX) && name !== CLIENT_HOME && value !== undefined)
    .filter(([name, value]) => value !== '' && nearest(name.slice(PREFIX.length), known) !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value, where: `environment variable ${name}` }));
}

function fromFlags(flags: ConfigInput): SourcedValue[] {
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({
      name,
      value,
      where: `--${name.replace(/Bytes$/, '').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    }));
}
