import { PriceList } from '../../src/bill/price-list.ts'
import { parsePrices } from '../../src/config/prices.ts'

/** The prices of a text that has no fault. */
export function priceList(text: string): PriceList {
  const result = parsePrices(text, 'prices.yaml')
  if (!result.ok) throw new Error(JSON.stringify(result.faults, null, 2))
  return new PriceList(result.prices)
}

/** The example of the README, more or less. */
export const PRICES = `
currency: USD
prices:
  - match: { model: "qwen3-*", team: red }
    from: 2026-11-01
    per_million: { input: "0.10", output: "0.30" }
  - match: { model: "qwen3-*" }
    from: 2026-10-01
    per_million: { input: "0.20", cached_input: "0.05", output: "0.60" }
  - match: { op: transcription }
    per_audio_minute: "0.004"
  - match: { model: free }
    per_request: "0"
discounts:
  - { team: blue, percent: 15, from: 2026-11-01, to: 2026-11-30 }
  - { team: bl*, percent: "50" }
`
