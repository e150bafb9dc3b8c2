// The first half of a round at an auditor: every node of its groups is asked for what the draw says, at once, and twice more for what is still open. The
// leaves stay the same, so what a node did not get at in time it can still show; and what it is silent about is open by itself, so that
// nothing hides behind something else. Whoever is slow uses up its own share of the time, and nobody else's.

import { equal, short } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { AUDIT_CALLS_MAX, AUDIT_PART_LENGTH_MAX, AUDIT_TIMEOUT_MS } from '../../base/limits.ts';
import type { Clock, Network, Signer, Verify } from '../../base/ports.ts';
import type { Asked } from '../../proofs/draw.ts';
import type { Hashes } from '../../proofs/opening.ts';
import { encodeReceipt, receiptText, signReceipt } from '../../proofs/receipt.ts';
import {
  AUDIT_SERVICES,
  type ContentOf,
  decodeResponse,
  encodeRequest,
  judgeResponse,
  partsOf,
} from '../../proofs/response.ts';
import type { RecordSource } from '../chain/settle.ts';
import type { NodeLogger } from '../storage-node.ts';
import { contentsOf } from './contents.ts';
import type { GroupAudit } from './group-audit.ts';

export interface AskingPorts {
  readonly networkId: NetworkId;
  readonly signer: Signer;
  readonly network: Pick<Network, 'call'>;
  readonly verify: Verify;
  readonly chain: RecordSource;
  readonly hashes: Hashes;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: NodeLogger;
  /** This node's own answer, which no network carries. */
  readonly answerSelf: (header: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
}

/**
 * Asks all nodes of the group for what is open, a few at a time, and is done at `untilMs` of the clock's monotonic time. Each gets an even share of
 * the time that is left when it is its turn. Never throws but for `signal`, and where the chain cannot be read.
 */
export async function askGroup(
  ports: AskingPorts,
  audit: GroupAudit,
  untilMs: number,
  signal: AbortSignal,
): Promise<void> {
  const waiting = audit.group.nodes.filter((node) => audit.openOf(node).length > 0);
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      signal.throwIfAborted();
      const nowMs = ports.clock.monotonic();
      const turns = Math.ceil((waiting.length + 1) / AUDIT_CALLS_MAX);
      await askNode(ports, audit, node, nowMs + (untilMs - nowMs) / turns, signal);
    }
  };
  await Promise.all(Array.from({ length: AUDIT_CALLS_MAX }, work));
}

async function askNode(
  ports: AskingPorts,
  audit: GroupAudit,
  node: NodeId,
  untilMs: number,
  signal: AbortSignal,
): Promise<void> {
  const open = audit.openOf(node);
  const contents = await contentsOf(
    ports.chain,
    open.map(({ place }) => place),
  );
  const before = audit.heldOf(node).length;
  for (const part of partsOf(open, contents.of)) {
    const timeoutMs = timeLeft(ports, untilMs);
    if (timeoutMs === 0) break;
    try {
      await askPart(ports, audit, node, part, contents.of, { timeoutMs, signal });
    } catch (error) {
      if (signal.aborted) throw error;
      const { code, message } = toStoreError(error, 'INTERNAL', 'audit');
      ports.logger.debug({ node: short(node), code, reason: message }, 'a node does not answer its audit');
      // Who is not there for one part is not there for the next.
      break;
    }
  }
  const timeoutMs = timeLeft(ports, untilMs);
  if (timeoutMs > 0 && audit.heldOf(node).length > before) {
    await giveReceipt(ports, audit, node, { timeoutMs, signal });
  }
}

/** For one call. */
function timeLeft({ clock }: AskingPorts, untilMs: number): number {
  return Math.max(0, Math.min(AUDIT_TIMEOUT_MS, Math.floor(untilMs - clock.monotonic())));
}

interface CallTime {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

async function askPart(
  { network, signer, verify, hashes, answerSelf, logger }: AskingPorts,
  audit: GroupAudit,
  node: NodeId,
  asked: readonly Asked[],
  contentOf: ContentOf,
  time: CallTime,
): Promise<void> {
  const { round, seed } = audit.watched.round;
  const header = encodeRequest({ round, seed, asked });
  const options = { ...time, maxBodyLength: AUDIT_PART_LENGTH_MAX };
  audit.noteTried(node);
  const body = equal(node, signer.publicKey)
    ? await answerSelf(header, time.signal)
    : (await network.call(node, AUDIT_SERVICES.audit, { header }, options)).body;
  const part = decodeResponse(body);
  const judgement = judgeResponse(audit.context(node), asked, part, contentOf, verify, hashes);
  if (judgement === undefined) {
    logger.warn({ node: short(node), round }, 'a node answered its audit with what no honest node says');
    return;
  }
  audit.noteAnswer(node, part, judgement, hashes);
}

/** Whether it arrives is the node's affair: a receipt only ever helps the node. */
async function giveReceipt(
  { networkId, network, signer, hashes }: AskingPorts,
  audit: GroupAudit,
  node: NodeId,
  time: CallTime,
): Promise<void> {
  if (equal(node, signer.publicKey)) return;
  const { round } = audit.watched.round;
  const held = audit.heldOf(node);
  const signature = signReceipt(receiptText(networkId, round, node, held, hashes.sha256), signer);
  const request = { header: new Uint8Array(0), body: [encodeReceipt({ round, held, signature })] };
  await network.call(node, AUDIT_SERVICES.receipt, request, time).catch(() => undefined);
}
