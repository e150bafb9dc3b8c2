// A holder that admits that it has lost everything, so that it does not have to keep it.

import type { Auditor, AuditWorld } from '../../node/audit/audit-kit.ts';

export async function admitsEverything(world: AuditWorld, auditor: Auditor): Promise<void> {
  await auditor.log.remove(world.held(auditor.name).map((each) => world.keyOf(each)));
}
