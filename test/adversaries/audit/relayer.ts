// A holder that has nothing and passes on what others answer.

import { decodeResponse, encodeRequest, encodeResponse, signResponse } from '../../../src/proofs/response.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { AuditWorld, Auditor } from '../../node/audit/audit-kit.ts';
import { contextOf } from './answering.ts';
import { lies, replyWith } from './liar.ts';

/** Asks `source` what `source` is asked in this round, and gives its answer for its own: as it is, or signed again. */
export function relays(world: AuditWorld, auditor: Auditor, source: Auditor, isSigned: boolean): void {
  lies(auditor, 'audit', async (_from, header) => {
    const { round, seed } = auditor.watched.round;
    const request = encodeRequest({ round, seed, asked: source.watched.own.asked.slice(0, 8) });
    const { body } = await auditor.network.call(
      world.nodeOf(source.name),
      'audit',
      { header: request },
      { maxBodyLength: 2 ** 24 },
    );
    if (!isSigned) return replyWith(body);
    const { openings } = decodeResponse(body);
    const context = contextOf(auditor, header);
    return replyWith(encodeResponse(signResponse(context, openings, [], auditor.signer, PORTABLE_HASHES)));
  });
}
