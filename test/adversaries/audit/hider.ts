// A holder with something to hide: it keeps one case open in the hope that it hides the others, or that nobody waits for it.

import type { Place } from '../../../src/proofs/place.ts';
import { comparePlaces } from '../../../src/proofs/place.ts';
import { decodeRequest } from '../../../src/proofs/response.ts';
import type { AuditWorld, Auditor } from '../../node/audit/audit-kit.ts';
import { leavesOut } from './answering.ts';
import { lies } from './liar.ts';

/** Answers everything but what is asked of one place. */
export function hides(auditor: Auditor, hidden: Place): void {
  leavesOut(auditor, ({ place }) => comparePlaces(place, hidden) === 0);
}

/** Answers what does not touch the place, and keeps everybody waiting who asks for it. */
export function delays(world: AuditWorld, auditor: Auditor, hidden: Place): void {
  lies(auditor, 'audit', async (_from, header, honest, signal) => {
    const { asked } = decodeRequest(header);
    if (asked.some(({ place }) => comparePlaces(place, hidden) === 0)) await world.clock.sleep(1e9, signal);
    return honest();
  });
}
