/** What a rule does with the mail that it matches (delivery/rules.ts). Apart from the schema, which --help need not load. */
export const RULE_ACTIONS = ['seal', 'pass', 'reject'] as const;
