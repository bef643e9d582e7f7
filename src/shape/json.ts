/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>

/** An object of JSON that is no list. */
export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
