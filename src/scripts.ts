/** A script that the store runs as one step. */
export interface Script {
  /** With its version, so that gates of two versions never run each other's. */
  readonly name: string
  readonly text: string
  /** No caller waits for it: it may take longer. */
  readonly isBackground?: boolean
}

/** What runs scripts in the store that gates share. */
export interface ScriptRunner {
  /** Rejects when there is no connection, when no answer comes in time, and with what the store says against it. */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
}
