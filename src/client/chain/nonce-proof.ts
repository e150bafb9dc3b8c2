// Which transaction used a nonce, proven by the blocks in which it must have happened: from a state with the nonce still free to one with it used.
// So nobody can hide what was included and have it signed once more.

import { equal } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest } from '../../base/ids.ts';
import { NONCE_BLOCKS_MAX } from '../../base/limits.ts';
import { type Block, decodeBlock } from '../../shards/block.ts';
import {
  CHAIN_SERVICES,
  decodeDecision,
  DECISION_LENGTH_MAX,
  encodeHeight,
} from '../../shards/chain-messages.ts';
import { LEDGER_RULES } from '../../shards/ledger.ts';
import type { Transaction } from '../../shards/transaction.ts';
import type { LightClient } from './light-client.ts';
import { judged, Lie } from './providers.ts';

export interface NonceUse {
  readonly id: Digest;
  readonly height: number;
}

/**
 * The nonce was free after height `free` and used after height `used`. Undefined when too many blocks lie between them. Throws what asking for
 * blocks throws.
 */
export async function userOfNonce(
  light: LightClient,
  sha256: Sha256,
  { sender, nonce }: Pick<Transaction, 'sender' | 'nonce'>,
  free: number,
  used: number,
  signal?: AbortSignal,
): Promise<NonceUse | undefined> {
  if (used - free > NONCE_BLOCKS_MAX) return undefined;
  let { id } = await light.at(used, signal);
  for (let height = used; height > free; height--) {
    const { header, body } = await blockOf(light, sha256, height, id, signal);
    const user = body.transactions.find(
      ({ transaction }) => transaction.nonce === nonce && equal(transaction.sender, sender),
    );
    if (user !== undefined) return { id: user.id, height };
    id = header.parent;
  }
  return undefined;
}

/** The block that has this id, from whichever node. */
async function blockOf(
  light: LightClient,
  sha256: Sha256,
  height: number,
  id: Digest,
  signal: AbortSignal | undefined,
): Promise<Block> {
  const { providers } = light;
  const question = {
    service: CHAIN_SERVICES.block,
    header: encodeHeight(height),
    maxBodyLength: DECISION_LENGTH_MAX,
  };
  const { value } = await providers.first(`block ${height}`, async (node) => {
    const reply = await providers.ask(node, { ...question, signal });
    return judged(() => {
      const block = decodeBlock(decodeDecision(reply).block, LEDGER_RULES, sha256);
      if (!equal(block.id, id)) throw new Lie(`another block of height ${height}`);
      return block;
    });
  });
  return value;
}
