//! Named volumes that last as long as a trial: made empty, so that Docker fills them from the image at first use, and
//! labelled as containers are, so that a later run clears what one that was killed left behind.

use std::{collections::HashMap, io::Read as _};

use bollard::{
    models::VolumeCreateRequest,
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions, UploadToContainerOptions},
};
use futures_util::StreamExt;
use reports::{format::Preparation, model::SubjectPath};

use super::{
    Cleared, Docker, RuntimeError,
    create::{OWNER_LABEL, owner_label},
    docker::{is_status, refused},
    options,
};

/// The most content of an image that is given to another user, in bytes: it is held in memory meanwhile.
const MAX_CONTENT_BYTES: usize = 256 << 20;

impl Docker {
    /// Makes a volume.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn create_volume(&self, name: &str) -> Result<(), RuntimeError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(options::labels(&[(OWNER_LABEL, owner_label())])),
            ..Default::default()
        };
        self.client.create_volume(request).await.map(drop).map_err(refused("make a volume"))
    }

    /// Has an empty volume filled from the image, and gives all that is in it to a user. Nothing of the image is executed.
    ///
    /// # Errors
    /// Where the daemon refuses, or the content is too much.
    pub(crate) async fn prepare_volume(
        &self,
        image: &str,
        preparation: &Preparation,
    ) -> Result<(), RuntimeError> {
        let id = self.create_idle_with(image, vec![preparation.mount.clone()]).await?;
        let given = self.give(&id, preparation).await;
        let removed = self.remove(&id).await;
        given.and(removed)
    }

    /// Reads the volume's content from a container that has it, and writes it back with another owner.
    async fn give(&self, id: &str, preparation: &Preparation) -> Result<(), RuntimeError> {
        let Preparation { mount: _, target, uid, gid } = preparation;
        // A plan has no other targets than those that are text.
        let name = |path: &SubjectPath| path.as_str().unwrap_or_default().to_owned();
        let above = name(&target.parent().unwrap_or_else(SubjectPath::root));
        let mut content = Vec::new();
        let mut stream = self.archive(id, &name(target));
        while let Some(chunk) = stream.next().await {
            content.extend(chunk?);
            if content.len() > MAX_CONTENT_BYTES {
                return Err(RuntimeError::Refused {
                    action: "give a volume to another user",
                    message: format!("the image has more than {} MiB there", MAX_CONTENT_BYTES >> 20),
                });
            }
        }
        let owned = owned_by(&content, *uid, *gid).map_err(|error| RuntimeError::Refused {
            action: "give a volume to another user",
            message: error.to_string(),
        })?;
        let options = UploadToContainerOptions { path: above, ..Default::default() };
        let body = bollard::body_full(owned.into());
        self.client.upload_to_container(id, Some(options), body).await.map_err(refused("fill the volume"))
    }

    /// Removes a volume, if it is there.
    ///
    /// # Errors
    /// Where the daemon refuses, for instance because a container uses it.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError> {
        match self.client.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(error) if !is_status(&error, 404) => Err(refused("remove the volume")(error)),
            _ => Ok(()),
        }
    }

    /// Removes the volumes of owners for which `is_wanted` holds.
    pub(super) async fn clear_volumes(
        &self,
        is_wanted: impl Fn(&str) -> bool,
        cleared: &mut Cleared,
    ) -> Result<(), RuntimeError> {
        let filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
        let listed = self.client.list_volumes(Some(ListVolumesOptions { filters: Some(filters) })).await;
        for volume in listed.map_err(refused("list volumes"))?.volumes.unwrap_or_default() {
            if volume.labels.get(OWNER_LABEL).is_some_and(|owner| is_wanted(owner)) {
                match self.remove_volume(&volume.name).await {
                    // Another run is removing the container that used it, and the volume after that.
                    Err(RuntimeError::Refused { message, .. }) if message.contains("in use") => {}
                    removed => cleared.take(removed),
                }
            }
        }
        Ok(())
    }
}

/// The same archive with every object owned by a user. Headers that only announce long names go through as they are; of
/// extended headers, what they say about owners is left out.
fn owned_by(archive: &[u8], uid: u32, gid: u32) -> std::io::Result<Vec<u8>> {
    let mut given = tar::Builder::new(Vec::with_capacity(archive.len()));
    for entry in tar::Archive::new(archive).entries()?.raw(true) {
        let mut entry = entry?;
        if entry.header().entry_type() == tar::EntryType::XHeader {
            let mut records = Vec::new();
            entry.read_to_end(&mut records)?;
            given.append_pax_extensions(without_owner(&records)?)?;
            continue;
        }
        let mut header = entry.header().clone();
        header.set_uid(u64::from(uid));
        header.set_gid(u64::from(gid));
        header.set_cksum();
        given.append(&header, &mut entry)?;
    }
    given.into_inner()
}

/// The records of an extended header but those that name the owner (pax(1), `uid`, `gid`, `uname`, `gname`).
fn without_owner(records: &[u8]) -> std::io::Result<Vec<(&str, &[u8])>> {
    let mut kept = Vec::new();
    for record in tar::PaxExtensions::new(records) {
        let record = record?;
        let key = record.key().map_err(std::io::Error::other)?;
        if !matches!(key, "uid" | "gid" | "uname" | "gname") {
            kept.push((key, record.value_bytes()));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_gets_another_owner_and_keeps_the_rest() {
        let long = format!("data/{}", "x".repeat(200));
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o700);
        header.set_size(0);
        archive.append_data(&mut header.clone(), "data", std::io::empty()).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(3);
        archive.append_data(&mut header.clone(), &long, &b"abc"[..]).unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "data/link", "/etc/passwd").unwrap();
        // As for ids beyond what the plain header holds.
        let extended: [(&str, &[u8]); 3] =
            [("uid", b"3000000"), ("gid", b"3000000"), ("SCHILY.xattr.user.kept", b"x\0y")];
        archive.append_pax_extensions(extended).unwrap();
        archive.append_link(&mut header, "data/extended", "/etc/passwd").unwrap();

        let given = owned_by(&archive.into_inner().unwrap(), 101, 103).unwrap();
        let mut seen = Vec::new();
        for entry in tar::Archive::new(given.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.path().unwrap().ends_with("extended") {
                let records = entry.pax_extensions().unwrap().unwrap();
                let records: Vec<_> = records.map(|record| record.unwrap().value_bytes().to_vec()).collect();
                assert_eq!(records, [b"x\0y"]);
            }
            let header = entry.header();
            assert_eq!(
                (header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()),
                (101, 103, 0o700)
            );
            seen.push((entry.path().unwrap().into_owned(), entry.size()));
        }
        assert_eq!(
            seen,
            [("data".into(), 0), (long.into(), 3), ("data/link".into(), 0), ("data/extended".into(), 0)]
        );
        assert!(owned_by(b"no archive at all", 1, 1).is_err());
    }
}
