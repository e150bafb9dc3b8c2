// Asks for the content of a block whose header is verified already: whatever a node sends is that block's, or a lie.

import { equal, toHex } from '../src/base/bytes.ts';
import { StoreError } from '../src/base/errors.ts';
import type { NodeId } from '../src/base/ids.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import { LightClient } from '../src/client/chain/light-client.ts';
import { memoryTrust } from '../src/client/chain/memory-trust.ts';
import { judged, Lie } from '../src/client/chain/providers.ts';
import { powerOf } from '../src/consensus/validator-set.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../src/runtime/crypto.ts';
import { type Block, decodeBlock } from '../src/shards/block.ts';
import {
  CHAIN_SERVICES,
  DECISION_LENGTH_MAX,
  decodeDecision,
  encodeHeight,
} from '../src/shards/chain-messages.ts';
import { LEDGER_RULES } from '../src/shards/ledger.ts';
import type { LightBlock } from '../src/shards/light-block.ts';

export interface CheckedBlock {
  readonly light: LightBlock;
  /** Undefined where no node that was asked keeps it any more. */
  readonly block: Block | undefined;
  /** Validators whose signatures decided it, and their power. */
  readonly signers: readonly NodeId[];
  readonly power: bigint;
}

/**
 * A client that begins anew with the founding document: what this home trusts may have gone far beyond a block that is asked for, and headers
 * are followed upwards. It asks the same nodes, and keeps nothing.
 */
function fromFounding({ light, network }: OpenChainClient): LightClient {
  const ports = { clock: systemClock, verify: nativeVerify, sha256: nativeSha256, trust: memoryTrust() };
  return new LightClient(ports, light.providers, { network });
}

/** The verified light block of a height, however old. Throws NOT_FOUND, UNREACHABLE, PROTOCOL, ABORTED, and INVALID_CONFIG when trust has expired. */
export async function lightAt(
  chain: OpenChainClient,
  height: number,
  signal: AbortSignal,
): Promise<LightBlock> {
  await chain.light.start(signal);
  try {
    return await chain.light.at(height, signal);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    return fromFounding(chain).at(height, signal);
  }
}

/** Verifies a light block that `node` showed, however old. Throws as `LightClient.follow`. */
export async function followAny(
  chain: OpenChainClient,
  light: LightBlock,
  node: NodeId,
  signal: AbortSignal,
): Promise<void> {
  try {
    await chain.light.follow(light, node, signal);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    await fromFounding(chain).follow(light, node, signal);
  }
}

/** Throws UNREACHABLE, PROTOCOL, ABORTED. */
export async function askBlock(
  chain: OpenChainClient,
  light: LightBlock,
  signal: AbortSignal,
): Promise<CheckedBlock> {
  const { certificate, validators } = light;
  return {
    light,
    block: await askContent(chain, light, signal),
    signers: certificate.signatures.map(({ validator }) => validators.validators[validator]!.node),
    power: certificate.signatures.reduce((sum, { validator }) => sum + powerOf(validators, validator), 0n),
  };
}

async function askContent(
  { light: { providers } }: OpenChainClient,
  { header, id }: LightBlock,
  signal: AbortSignal,
): Promise<Block | undefined> {
  try {
    const { value } = await providers.first(`block ${header.height}`, async (node) => {
      const body = await providers.ask(node, {
        service: CHAIN_SERVICES.block,
        header: encodeHeight(header.height),
        maxBodyLength: DECISION_LENGTH_MAX,
        signal,
      });
      const block = judged(() => decodeBlock(decodeDecision(body).block, LEDGER_RULES, nativeSha256));
      if (!equal(block.id, id))
        throw new Lie(`block ${toHex(block.id)} is not that of height ${header.height}`);
      return block;
    });
    return value;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
