// Where the value of an option comes from: default < config.yaml in the home < HOLDFAST_* environment < flag.
// In the file, a top-level key sets an option of every command, a key under a command's name sets it there only:
//
//     lane: control
//     put:
//       code: 4/10

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { StoreError } from '../src/base/errors.ts';
import { isNegated, type OptionSpec, optionKey, optionName, refuse } from './args.ts';

export type Raw = string | boolean | readonly string[];
export type Flags = Readonly<Record<string, unknown>>;
export type Environment = Readonly<Record<string, string | undefined>>;
export type ConfigFile = Readonly<Record<string, unknown>>;

const CONFIG_LENGTH_MAX = 64 * 1024;

/** Folder of configuration, keys and resume state. */
export function homeOf(flag: string | undefined, env: Environment = process.env): string {
  return resolve(flag ?? (env['HOLDFAST_HOME'] || join(homedir(), '.holdfast')));
}

/** What `config.yaml` in `home` says; empty when there is none. Throws INVALID_CONFIG, which names the file. */
export async function readConfig(home: string): Promise<ConfigFile> {
  const path = join(home, 'config.yaml');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw new StoreError('INVALID_CONFIG', `cannot read ${path}`, { cause: error });
  }
  if (text.length > CONFIG_LENGTH_MAX) throw badConfig(path, 'is too long');
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, prettyErrors: false }) as unknown;
  } catch (error) {
    throw badConfig(path, 'is not YAML', error);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw badConfig(path, 'is not a list of settings');
  return value as ConfigFile;
}

/** Refuses keys that are neither an option of some command nor a command: a misspelt setting must not pass silently. */
export function checkConfig(
  config: ConfigFile,
  home: string,
  optionsOf: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  const path = join(home, 'config.yaml');
  const everywhere = new Set([...optionsOf.values()].flatMap((names) => [...names]));
  for (const [key, value] of Object.entries(config)) {
    const own = optionsOf.get(key);
    if (own !== undefined && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const unknown = Object.keys(value).find((name) => !own.has(name));
      if (unknown !== undefined) throw badConfig(path, `has an unknown setting "${key}.${unknown}"`);
    } else if (!everywhere.has(key)) {
      throw badConfig(path, `has an unknown setting "${key}"`);
    }
  }
}

/** Values of `options`, each from the strongest source that has one. Flags are raw text, as the parser found them. */
export function resolveFlags(
  command: string,
  options: readonly OptionSpec[],
  given: Readonly<Record<string, Raw>>,
  env: Environment,
  config: ConfigFile,
  home: string,
): Flags {
  const flags: Record<string, unknown> = {};
  for (const option of options) {
    const name = optionName(option);
    const key = optionKey(name);
    const variable = variableOf(name);
    const flag = given[key];
    const fromEnv = env[variable];
    const fromFile = configured(config, command, name);
    if (flag !== undefined) {
      flags[key] = valueOf(option, flag, `--${name}`);
    } else if (fromEnv !== undefined && fromEnv !== '') {
      flags[key] = valueOf(option, option.isList === true ? fromEnv.split(',') : fromEnv, variable);
    } else if (fromFile !== undefined) {
      flags[key] = fileValue(option, fromFile, name, join(home, 'config.yaml'));
    } else if (option.fallback !== undefined && flags[key] === undefined) {
      flags[key] = valueOf(option, option.fallback, `--${name}`);
    }
  }
  return flags;
}

/** `allow-same-operator` as HOLDFAST_ALLOW_SAME_OPERATOR. */
export function variableOf(name: string): string {
  return `HOLDFAST_${name.replaceAll('-', '_').toUpperCase()}`;
}

function configured(config: ConfigFile, command: string, name: string): unknown {
  const own = config[command];
  if (typeof own === 'object' && own !== null && name in own) return (own as ConfigFile)[name];
  return config[name];
}

function valueOf(option: OptionSpec, raw: Raw, where: string): unknown {
  if (option.parse === undefined)
    return typeof raw === 'boolean' ? raw : parseBoolean(String(raw), where, option);
  const parse = option.parse;
  if (option.isList !== true) return parse(String(raw), where);
  return (Array.isArray(raw) ? raw : [String(raw)]).map((text: string) => parse(text, where));
}

function parseBoolean(text: string, where: string, option: OptionSpec): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw refuse(where, text, `true or false (${isNegated(option) ? 'default true' : 'default false'})`);
}

function fileValue(option: OptionSpec, value: unknown, name: string, path: string): unknown {
  const isScalar = ['string', 'number', 'boolean'].includes(typeof value);
  if (!isScalar && !(option.isList === true && Array.isArray(value))) {
    throw badConfig(path, `has a wrong value for "${name}"`);
  }
  try {
    return valueOf(option, Array.isArray(value) ? value.map(String) : String(value), name);
  } catch (error) {
    throw badConfig(
      path,
      `has a wrong value for ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
}

function badConfig(path: string, problem: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_CONFIG', `configuration file ${path} ${problem}`, {
    next: `Correct ${path}, or move it away; docs/cli.md lists the settings.`,
    ...(cause === undefined ? {} : { cause }),
  });
}
