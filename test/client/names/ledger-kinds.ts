// The kinds of transactions and messages of a real network, for the chain in memory: `vi.mock('../../shards/kinds.ts', ledgerKinds)`.

export async function ledgerKinds(importOriginal: () => Promise<unknown>): Promise<Record<string, unknown>> {
  const original = (await importOriginal()) as Record<string, unknown>;
  const { LEDGER_RULES } = await import('../../../src/shards/ledger.ts');
  const { operations, deliveries } = LEDGER_RULES;
  return { ...original, KINDS: { operations, deliveries } };
}
