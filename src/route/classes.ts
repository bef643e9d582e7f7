/** Classes of calls, those that are served first before the others (operations.md section 2.7). */
export const CLASSES = ['system', 'interactive', 'default', 'bulk'] as const
/** One of them. */
export type Class = (typeof CLASSES)[number]

/**
 * Of a pool's places so large a part is a class's own for as long as it waits: while fewer of its calls run, it comes before
 * the classes above it. In whole places: a small pool reserves none.
 */
export const RESERVED: Readonly<Record<Class, number>> = { system: 0, interactive: 0.25, default: 0.1, bulk: 0 }

/** The header by which a caller asks for another class than its team's. */
export const CLASS_HEADER = 'x-tollgate-class'

/**
 * The class of a call: the highest of its team, or the lower one that the caller asks for. What is no class, or a higher
 * one, asks for nothing.
 */
export function classOf(highest: Class, asked: unknown): Class {
  if (asked === undefined) return highest
  const rank = (CLASSES as readonly unknown[]).indexOf(asked)
  return CLASSES[Math.max(rank, rankOf(highest))] ?? highest
}

/** 0 for the highest. */
export function rankOf(name: Class): number {
  return CLASSES.indexOf(name)
}
