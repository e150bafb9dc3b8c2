// `test/vectors/consensus.json`: made by a second implementation from docs/format-consensus.md. In the file bytes are hex digits.

import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/base/bytes.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import type { Evidence, Message, ValidatorSet } from '../../src/consensus/types.ts';
import { validatorSet } from '../../src/consensus/validator-set.ts';

interface Vectors {
  readonly network: NetworkId;
  /** In the order of the set, each with power 1. */
  readonly validators: readonly { readonly node: NodeId; readonly seed: Uint8Array }[];
  readonly messages: readonly {
    readonly name: string;
    readonly message: Message;
    readonly encoded: Uint8Array;
    /** Of proposals and votes. */
    readonly signBytes?: Uint8Array;
  }[];
  readonly evidence: readonly {
    readonly name: string;
    readonly evidence: Evidence;
    readonly encoded: Uint8Array;
    readonly guilty: readonly number[];
  }[];
}

const BYTES = ['network', 'node', 'seed', 'encoded', 'signBytes', 'signature'];
const file = new URL('../vectors/consensus.json', import.meta.url);

export const VECTORS: Vectors = JSON.parse(readFileSync(file, 'utf8'), (name, value: unknown) =>
  BYTES.includes(name) ? fromHex(value as string) : value,
) as Vectors;

export const VECTOR_SET: ValidatorSet = validatorSet(
  VECTORS.validators.map(({ node }) => ({ node, power: 1n })),
);

/** The bytes of the indented block behind `heading` in docs/format-consensus.md. */
export function documented(heading: string): Uint8Array {
  const page = readFileSync(new URL('../../docs/format-consensus.md', import.meta.url), 'utf8');
  const block = page.split(`${heading}:\n\n`).at(-1)!.split('\n\n')[0]!;
  return fromHex(
    block
      .split('\n')
      .map((line) => line.trim().split(' ')[0])
      .join(''),
  );
}
