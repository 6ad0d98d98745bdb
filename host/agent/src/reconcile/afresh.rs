//! A state of the plugin that begins now, beside one that lives: what the one shows, the other has to come to as well.

use super::Reconciler;

impl Reconciler {
    /// What a plugin that starts now, with the same providers, begins with: nothing but these. It offers nothing.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self {
            providers: self.providers.afresh(),
            ..Self::new(self.settings.clone(), None)
        }
    }
}
