// Reading node.yaml: a flat map of settings, each with the line where it stands. Aliases and doubled keys are refused: a
// configuration that has to be explained is not one.

import { readFile } from 'node:fs/promises';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { StoreError } from '../base/errors.ts';
import { CONFIG_FILE_LENGTH_MAX } from '../base/limits.ts';
import { systemCode } from '../runtime/files.ts';

export interface SourcedValue {
  readonly name: string;
  readonly value: unknown;
  /** Where a person finds it, to begin a message with. */
  readonly where: string;
}

/** The settings in the file; none when it does not exist. Throws INVALID_CONFIG, DISK. */
export async function readConfigFile(path: string): Promise<SourcedValue[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new StoreError('DISK', `cannot read ${path}`, { cause: error });
  }
  if (text.length > CONFIG_FILE_LENGTH_MAX) {
    throw new StoreError('INVALID_CONFIG', `${path} is longer than any configuration file`);
  }
  return parseConfig(text, path);
}

/** The settings in the text of a configuration file; `path` names it in messages. Throws INVALID_CONFIG. */
export function parseConfig(text: string, path: string): SourcedValue[] {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    schema: 'core',
    logLevel: 'error',
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const reason = problem.message.split(' at line ')[0]!.split('\n')[0]!;
    throw new StoreError('INVALID_CONFIG', `${path}:${lines.linePos(problem.pos[0]).line}: ${reason}`);
  }
  if (document.contents === null) return [];
  if (!isMap(document.contents)) {
    throw new StoreError('INVALID_CONFIG', `${path}: not a list of settings such as "controlPort: 4001"`);
  }
  const values = toPlain(document, path);
  return document.contents.items.map(({ key }) => {
    const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0;
    const where = `${path}:${lines.linePos(offset).line}`;
    if (!isScalar(key) || typeof key.value !== 'string') {
      throw new StoreError('INVALID_CONFIG', `${where}: a setting must have a name`);
    }
    return { name: key.value, value: values[key.value], where: `${where}: ${key.value}` };
  });
}

/** The whole file as plain data. Aliases are refused, so that a small file stays small. */
function toPlain(document: Document, path: string): Record<string, unknown> {
  try {
    return document.toJS({ maxAliasCount: 0 }) as Record<string, unknown>;
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'cannot be read';
    throw new StoreError('INVALID_CONFIG', `${path}: ${reason}`);
  }
}
