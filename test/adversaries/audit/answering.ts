// Holders that answer audits in ways of their own: whatever they show is true, and signed by themselves.

import { equal } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { Asked } from '../../../src/proofs/draw.ts';
import {
  type AuditContext,
  decodeRequest,
  decodeResponse,
  encodeResponse,
  type ResponsePart,
  signResponse,
} from '../../../src/proofs/response.ts';
import { NETWORK } from '../../shards/world.ts';
import type { Auditor } from '../../node/audit/audit-kit.ts';
import { bodyOf, lies, replyWith } from './liar.ts';

export function contextOf({ node }: Auditor, header: Uint8Array): AuditContext {
  const { round, seed } = decodeRequest(header);
  return { network: NETWORK, round, seed, node };
}

/** Another part in place of the honest one; it signs whatever it is to open. */
export function answersWith(
  auditor: Auditor,
  change: (part: ResponsePart, from: NodeId) => Pick<ResponsePart, 'openings'>,
): void {
  lies(auditor, 'audit', async (from, header, honest) => {
    const part = decodeResponse(bodyOf(await honest()));
    const { openings } = change(part, from);
    return replyWith(
      encodeResponse(signResponse(contextOf(auditor, header), openings, [], auditor.signer, PORTABLE_HASHES)),
    );
  });
}

/** Leaves out what it does not want to show, and says nothing about it. */
export function leavesOut(auditor: Auditor, isLeftOut: (asked: Asked) => boolean): void {
  answersWith(auditor, ({ openings }) => ({ openings: openings.filter((each) => !isLeftOut(each)) }));
}

/** Shows some auditors everything, and the others nothing. */
export function answersOnly(auditor: Auditor, favoured: readonly NodeId[]): void {
  answersWith(auditor, ({ openings }, from) => ({
    openings: favoured.some((each) => equal(each, from)) ? openings : [],
  }));
}
