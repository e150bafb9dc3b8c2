// `store version`, and the version for whoever else needs it.

import { readFileSync } from 'node:fs';
import type { CommandSpec } from './command.ts';

/** Version of this package, from sources as well as from the built form one folder deeper. */
export function packageVersion(): string {
  const path = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  const { version: text } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
    version: string;
  };
  return text;
}

export const version: CommandSpec = {
  name: 'version',
  summary: 'print the version',
  operands: '',
  options: [],
  async run({ output }) {
    const text = packageVersion();
    output.result(`holdfast ${text} (node ${process.versions.node})`, {
      version: text,
      node: process.versions.node,
    });
    return undefined;
  },
};
