// An auditor that signs nothing: it says no, or nothing at all.

import { encodeReviewReply, REVIEW_SERVICE } from '../../../src/node/audit/review-messages.ts';
import type { AuditWorld, Auditor } from '../../node/audit/audit-kit.ts';
import { lies, replyWith } from './liar.ts';

export function refusesToSign(world: AuditWorld, auditor: Auditor, how: 'refuses' | 'stalls'): void {
  lies(auditor, REVIEW_SERVICE, async (_from, _header, _honest, signal) => {
    if (how === 'stalls') await world.clock.sleep(1e9, signal);
    return replyWith(encodeReviewReply({ signature: null, needs: [], shown: [], elsewhere: [] }));
  });
}
