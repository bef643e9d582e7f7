/** What `authorize/` needs, from the YAML keys `access` and `models.*.scope`. */
export interface AuthorizeOptions {
  /** `families`: a family that the token carries restricts. `all`: one scope of each family is demanded. */
  readonly scopes: 'families' | 'all'
  /** Role → the scopes that it adds. */
  readonly roles: ReadonlyMap<string, readonly string[]>
  /** Model → the scope that opens it, where it is not `model:NAME:inference`. */
  readonly modelScopes: ReadonlyMap<string, string>
}
